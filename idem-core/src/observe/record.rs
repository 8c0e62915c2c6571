//! Stores a record in a handler's transaction without endangering the handler's writes.
//!
//! | step | fails because | the handler's writes |
//! | --- | --- | --- |
//! | roll back to the guard (an error response is stored) | the guard is gone | as the handler left them |
//! | replace the guard by a savepoint | the transaction has failed or ended | as the handler left them |
//! | insert the record | a live one exists, or the database refuses | kept: rolled back to the savepoint |
//! | roll back to the savepoint | the transaction is lost, as after a deadlock | lost, as without Idem |

use crate::Error;
use crate::attempt::session::{Effects, Session};
use crate::error::record_error;
use crate::store::{Backend, Fault, NewRecord};

impl<DB: Backend> Session<DB> {
    /// Stores a record behind a savepoint. `false`: it is not stored, and the transaction is as the
    /// handler has left it.
    ///
    /// # Errors
    ///
    /// The transaction is lost, for example to a deadlock: nothing in it will be committed.
    pub(crate) async fn record(
        &mut self,
        record: &NewRecord<'_>,
        effects: Effects,
        is_first: bool,
    ) -> Result<bool, Error> {
        if !self.is_innermost() {
            return Ok(false);
        }
        if effects == Effects::Undo && self.undo_to_guard().await.is_err() {
            return Ok(false);
        }
        if let Err(error) = self.leave_guard_for(SET).await {
            // A failed or ended transaction accepts no savepoint, and Idem has not changed it.
            let was_over = matches!(DB::fault(&error), Fault::Aborted | Fault::GuardLost);
            let undone = self.undo_own_writes(record_error::<DB>(error)).await;
            return if was_over { Ok(false) } else { undone };
        }
        let inserted = match is_first {
            true => self.insert(record).await,
            false => self.insert_soon(record).await,
        };
        match inserted {
            Ok(true) => Ok(true),
            Ok(false) => self.undo_own_writes(Error::TryAgain(None)).await,
            Err(error) => self.undo_own_writes(error).await,
        }
    }

    /// Inserts a record of which another attempt may have an uncommitted one. The database waits
    /// for that one, so a short limit keeps this request from waiting long.
    async fn insert_soon(&mut self, record: &NewRecord<'_>) -> Result<bool, Error> {
        let limited = DB::limit_lock_waits(self.conn(), true).await;
        limited.map_err(record_error::<DB>)?;
        let inserted = self.insert(record).await;
        let unlimited = DB::limit_lock_waits(self.conn(), false).await;
        match inserted {
            Ok(true) => unlimited.map(|()| true).map_err(record_error::<DB>),
            // The limit is rolled back with the insert: a failed transaction accepts no statement.
            not_inserted => not_inserted,
        }
    }

    /// Rolls back what Idem itself has written.
    async fn undo_own_writes(&mut self, error: Error) -> Result<bool, Error> {
        match DB::savepoint(self.conn(), UNDO).await {
            Ok(true) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, "an observed attempt stored no record");
                Ok(false)
            }
            _ => Err(error),
        }
    }
}

const SET: &str = "savepoint idem_note;";
const UNDO: &str = "rollback to savepoint idem_note; release savepoint idem_note";
