//! Deletes all records and dead letters of one scope, and counts them before.
//!
//! Records go first, then dead letters, each in batches. An error between them leaves a part;
//! calling it again does the rest. A sweep does not delete dead letters, so nothing else deletes
//! them in bulk.

use tokio::time::Instant;

use super::sweep::{BATCH, PATIENCE};
use crate::error::claim_error;
use crate::store::Backend;
use crate::{Error, Idempotency, Scope};

/// What of a scope is stored, and what [`Idempotency::erase`] would delete.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ScopeCount {
    /// The number of its records, live or expired.
    pub records: u64,
    /// The number of its messages that have failed: dead letters, and those that are still tried.
    pub failed_messages: u64,
}

impl<DB: Backend> Idempotency<DB> {
    /// Counts what is stored of a scope: what [`erase`](Self::erase) would delete now.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`].
    ///
    /// # Cancellation
    ///
    /// Safe to drop.
    ///
    /// # Examples
    ///
    /// ```
    /// # use idem_core::{Idempotency, Scope};
    /// # use sqlx::sqlite::SqlitePoolOptions;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let pool = SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await?;
    /// # let idem = Idempotency::new(pool);
    /// # idem.migrate().await?;
    /// let stored = idem.count_scope(&Scope::new("acme")?).await?;
    /// assert_eq!((stored.records, stored.failed_messages), (0, 0));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn count_scope(&self, scope: &Scope) -> Result<ScopeCount, Error> {
        let connections = &self.node().connections;
        let mut conn = connections.for_reading(Instant::now() + PATIENCE).await?;
        let counted = DB::count_of_scope(&mut conn.conn, scope.as_str()).await;
        let [records, messages] = conn.settle(counted).map_err(claim_error::<DB>)?;
        Ok(ScopeCount {
            records: records.unsigned_abs(),
            failed_messages: messages.unsigned_abs(),
        })
    }

    /// Deletes all records and dead letters of a scope, and returns how many records there were.
    ///
    /// Use it when stored personal data must be deleted. The scope's keys are then unknown: each
    /// retry that arrives later runs, as a second effect. It makes the same
    /// [downstream keys](crate::DownstreamKeys): a service that remembers them answers with its first effect.
    ///
    /// The records leave no tombstones. Those that a sweep has written before stay until their time is over,
    /// and refuse their keys: a tombstone is a digest, and nobody can search for those of a scope. It is
    /// a pseudonym: whoever guesses scope, operation and key can confirm the guess. Delete it by
    /// [`invalidate`](Self::invalidate) with the name, or let its time end.
    ///
    /// A running attempt is not stopped, and stores its record afterwards. `by` appears in the log, under the
    /// target `idem::audit`: write who asked for it, and why. Other nodes may replay and hold responses for
    /// up to five minutes if they have a [replay memory](crate::IdempotencyBuilder::replay_memory).
    ///
    /// # Errors
    ///
    /// As [`sweep`](Self::sweep).
    ///
    /// # Cancellation
    ///
    /// As [`sweep`](Self::sweep).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn erase(
    /// #     idem: idem_core::Idempotency<sqlx::Sqlite>,
    /// # ) -> Result<(), Box<dyn std::error::Error>> {
    /// let scope = idem_core::Scope::new("acme")?;
    /// let erased = idem.erase(&scope, "jane, contract ended (#4711)").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn erase(&self, scope: &Scope, by: &str) -> Result<u64, Error> {
        // Also if it fails or is dropped: a part may be gone.
        let forgets = scopeguard::guard(self.node(), |node| node.replay_memory.forget_all());
        let erased = self.erase_all(scope).await;
        drop(forgets);
        let scope = scope.as_str();
        tracing::warn!(target: "idem::audit", scope, by, ?erased, "erasure of a scope requested");
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
