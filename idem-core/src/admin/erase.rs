//! Deletes all records and dead letters of one scope.

use super::sweep::{BATCH, PATIENCE};
use crate::error::claim_error;
use crate::store::Backend;
use crate::{Error, Idempotency, Scope};

impl<DB: Backend> Idempotency<DB> {
    /// Deletes all records of a scope, live ones too, and says how many there were; its dead letters go too.
    ///
    /// For stored personal data that must go. Keys of the scope that were used before will
    /// run again: each retry that is still on its way is a second effect. A running attempt is not
    /// stopped and stores its record afterwards. `by` says in the log, under the target
    /// `idem::audit`, who wants it so, and why.
    ///
    /// # Errors
    ///
    /// As [`sweep`](Self::sweep).
    ///
    /// # Cancellation
    ///
    /// As [`sweep`](Self::sweep).
    pub async fn erase(&self, scope: &Scope, by: &str) -> Result<u64, Error> {
        let erased = self.erase_all(scope).await;
        let scope = scope.as_str();
        tracing::warn!(target: "idem::audit", scope, by, ?erased, "the records of a scope were to be erased");
        erased
    }

    async fn erase_all(&self, scope: &Scope) -> Result<u64, Error> {
        let mut erased = 0;
        loop {
            let mut conn = self.node().connections.for_writing(PATIENCE).await?;
            let batch = DB::erase_records(&mut conn.conn, scope.as_str(), BATCH).await;
            let batch = conn.settle(batch).map_err(claim_error::<DB>)?;
            erased += batch;
            if batch < BATCH.unsigned_abs() {
                break;
            }
        }
        loop {
            let mut conn = self.node().connections.for_writing(PATIENCE).await?;
            let batch = DB::erase_dead_letters(&mut conn.conn, scope.as_str(), BATCH).await;
            if conn.settle(batch).map_err(claim_error::<DB>)? < BATCH.unsigned_abs() {
                return Ok(erased);
            }
        }
    }
}
