//! Storing a record in a handler's transaction without endangering what the handler wrote.

use sqlx_core::transaction::TransactionManager;

use crate::Error;
use crate::session::{Effects, Session, refusal};
use crate::store::{Backend, Fault, NewRecord};

impl<DB: Backend> Session<DB> {
    /// Stores a record behind a savepoint. `false`: it is not there, and the transaction is as the
    /// handler has left it.
    ///
    /// # Errors
    ///
    /// The transaction is lost, as to a deadlock: nothing of it may be told to be there.
    pub(crate) async fn note(
        &mut self,
        record: &NewRecord<'_>,
        effects: Effects,
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
            let undone = self.forgo(refusal::<DB>(error)).await;
            return if was_over { Ok(false) } else { undone };
        }
        match self.insert(record).await {
            Ok(true) => Ok(true),
            Ok(false) => self.forgo(Error::TryAgain(None)).await,
            Err(error) => self.forgo(error).await,
        }
    }

    /// Undoes what Idem itself has tried.
    async fn forgo(&mut self, error: Error) -> Result<bool, Error> {
        match DB::savepoint(self.conn(), UNDO).await {
            Ok(true) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, "a watched attempt leaves no record");
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
