//! Storing a record in a handler's transaction without endangering what the handler wrote.

use sqlx_core::transaction::TransactionManager;

use crate::Error;
use crate::attempt::session::{Effects, Session};
use crate::error::record_error;
use crate::store::{Backend, Fault, NewRecord};

impl<DB: Backend> Session<DB> {
    /// Stores a record behind a savepoint. `false`: it is not there, and the transaction is as the
    /// handler has left it.
    ///
    /// # Errors
    ///
    /// The transaction is lost, as to a deadlock: nothing of it may be told to be there.
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
            // One that has failed or is over takes no savepoint, and Idem has done nothing to it.
            let was_over = matches!(DB::fault(&error), Fault::Aborted | Fault::GuardLost);
            let undone = self.forgo(record_error::<DB>(error)).await;
            return if was_over { Ok(false) } else { undone };
        }
        let inserted = match is_first {
            true => self.insert(record).await,
            false => self.insert_soon(record).await,
        };
        match inserted {
            Ok(true) => Ok(true),
            Ok(false) => self.forgo(Error::TryAgain(None)).await,
            Err(error) => self.forgo(error).await,
        }
    }

    /// Inserts a record in whose place another attempt may have one that is not committed yet. The
    /// database waits for that one, which must not become this one's trouble.
    async fn insert_soon(&mut self, record: &NewRecord<'_>) -> Result<bool, Error> {
        let limited = DB::limit_lock_waits(self.conn(), true).await;
        limited.map_err(record_error::<DB>)?;
        let inserted = self.insert(record).await;
        let unlimited = DB::limit_lock_waits(self.conn(), false).await;
        match inserted {
            Ok(true) => unlimited.map(|()| true).map_err(record_error::<DB>),
            // Undone with the insert, where a transaction that has failed takes no statement.
            not_inserted => not_inserted,
        }
    }

    /// Undoes what Idem itself has tried.
    async fn forgo(&mut self, error: Error) -> Result<bool, Error> {
        match DB::savepoint(self.conn(), UNDO).await {
            Ok(true) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, "an observed attempt leaves no record");
                Ok(false)
            }
            _ => Err(error),
        }
    }

    /// Whether the handler has left no savepoint of its own.
    fn is_innermost(&mut self) -> bool {
        DB::TransactionManager::get_transaction_depth(self.conn()) == 1
    }
}

const SET: &str = "savepoint idem_note;";
const UNDO: &str = "rollback to savepoint idem_note; release savepoint idem_note";
