//! Deleting records: those that have expired, and those of a scope that must be forgotten.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::attempt::session::claim_error;
use crate::node::connection::{Held, Holding};
use crate::store::Backend;
use crate::{Error, Idempotency, Scope, metrics};

/// Small enough that no attempt waits long for a batch.
const BATCH: i64 = 1_000;
/// A batch's own limit for its connection, once it has its turn as a writer.
const PATIENCE: Duration = Duration::from_secs(10);

impl<DB: Backend> Idempotency<DB> {
    /// Deletes the expired records, in bounded batches, and says how many there were; expired counts of failed messages go too.
    ///
    /// Any number of nodes may sweep at once: they pass over each other's rows. A row that an
    /// attempt is replacing is left to it.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] and [`Error::TryAgain`]; the batches so far are deleted.
    ///
    /// # Cancellation
    ///
    /// Safe to drop between batches and within one.
    pub async fn sweep(&self) -> Result<u64, Error> {
        let swept = self.look_and_sweep().await;
        let has_failed = swept.is_err();
        metrics::count(&metrics::SWEEP_FAILURES, &[], u64::from(has_failed));
        if !has_failed {
            self.has_swept();
        }
        swept
    }

    #[expect(clippy::cast_precision_loss, reason = "so many letters no table has")]
    async fn look_and_sweep(&self) -> Result<u64, Error> {
        let mut conn = self.acquire(Instant::now() + PATIENCE).await?;
        let lag = DB::sweep_lag(&mut conn.conn).await;
        let lag = conn.settle(lag).map_err(claim_error::<DB>)?;
        let lag = Duration::from_millis(lag.unwrap_or(0).unsigned_abs());
        metrics::set(&metrics::SWEEP_LAG, lag.as_secs_f64());
        let letters = DB::count_letters(&mut conn.conn).await;
        let letters = conn.settle(letters).map_err(claim_error::<DB>)?;
        metrics::set(&metrics::LETTERS, letters as f64);
        drop(conn);
        self.sweep_records().await
    }

    async fn sweep_records(&self) -> Result<u64, Error> {
        let mut swept = 0;
        loop {
            let mut conn = self.writing_connection().await?;
            let batch = DB::sweep(&mut conn.conn, BATCH).await;
            let batch = conn.settle(batch).map_err(claim_error::<DB>)?;
            swept += batch;
            metrics::count(&metrics::SWEPT, &[], batch);
            // Records that expire meanwhile are the next sweep's.
            if batch < BATCH.unsigned_abs() {
                break;
            }
        }
        loop {
            let mut conn = self.writing_connection().await?;
            let batch = DB::sweep_letters(&mut conn.conn, BATCH).await;
            if conn.settle(batch).map_err(claim_error::<DB>)? < BATCH.unsigned_abs() {
                return Ok(swept);
            }
        }
    }

    /// Sweeps once per period until the handle [shuts down](Self::shutdown).
    ///
    /// Failures are logged and the next period tries again.
    ///
    /// # Cancellation
    ///
    /// Safe to drop: spawn it, and abort the task where the handle is not shut down.
    pub async fn sweep_every(&self, period: Duration) {
        loop {
            match self.sweep().await {
                Ok(0) => {}
                Ok(swept) => tracing::info!(swept, "expired idempotency records were deleted"),
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(error, "the sweep failed and is repeated in the next period");
                }
            }
            let ended = timeout(period, self.shut_down()).await.is_ok();
            if ended || self.is_shutting_down() {
                return;
            }
        }
    }

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
            let mut conn = self.writing_connection().await?;
            let batch = DB::erase(&mut conn.conn, scope.as_str(), BATCH).await;
            let batch = conn.settle(batch).map_err(claim_error::<DB>)?;
            erased += batch;
            if batch < BATCH.unsigned_abs() {
                break;
            }
        }
        loop {
            let mut conn = self.writing_connection().await?;
            let batch = DB::erase_letters(&mut conn.conn, scope.as_str(), BATCH).await;
            if conn.settle(batch).map_err(claim_error::<DB>)? < BATCH.unsigned_abs() {
                return Ok(erased);
            }
        }
    }

    async fn writing_connection(&self) -> Result<Holding<DB>, Error> {
        let turn = self.writers_turn_soon().await;
        let conn = self.connection(Instant::now() + PATIENCE).await?;
        Ok(Held::lend(conn, turn))
    }
}
