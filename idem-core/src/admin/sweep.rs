//! Deletes what has expired: records, and counts of failed messages.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::error::claim_error;
use crate::store::Backend;
use crate::{Error, Idempotency, metrics};

/// Small enough that no attempt waits long for a batch.
pub(super) const BATCH: i64 = 1_000;
/// A batch's own limit for its connection, once it has its turn as a writer.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

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
            self.node().has_swept();
        }
        swept
    }

    #[expect(clippy::cast_precision_loss, reason = "so many letters no table has")]
    async fn look_and_sweep(&self) -> Result<u64, Error> {
        let mut conn = self
            .node()
            .connections
            .for_reading(Instant::now() + PATIENCE)
            .await?;
        let lag = DB::sweep_lag(&mut conn.conn).await;
        let lag = conn.settle(lag).map_err(claim_error::<DB>)?;
        let lag = Duration::from_millis(lag.unwrap_or(0).unsigned_abs());
        metrics::set(&metrics::SWEEP_LAG, lag.as_secs_f64());
        let letters = DB::count_dead_letters(&mut conn.conn).await;
        let letters = conn.settle(letters).map_err(claim_error::<DB>)?;
        metrics::set(&metrics::LETTERS, letters as f64);
        drop(conn);
        self.sweep_records().await
    }

    async fn sweep_records(&self) -> Result<u64, Error> {
        let mut swept = 0;
        loop {
            let mut conn = self.node().connections.for_writing(PATIENCE).await?;
            let batch = DB::sweep_records(&mut conn.conn, BATCH).await;
            let batch = conn.settle(batch).map_err(claim_error::<DB>)?;
            swept += batch;
            metrics::count(&metrics::SWEPT, &[], batch);
            // Records that expire meanwhile are the next sweep's.
            if batch < BATCH.unsigned_abs() {
                break;
            }
        }
        loop {
            let mut conn = self.node().connections.for_writing(PATIENCE).await?;
            let batch = DB::sweep_dead_letters(&mut conn.conn, BATCH).await;
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
            let admissions = &self.node().admissions;
            let ended = timeout(period, admissions.shut_down()).await.is_ok();
            if ended || admissions.is_shutting_down() {
                return;
            }
        }
    }
}
