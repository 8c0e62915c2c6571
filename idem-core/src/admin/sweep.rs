//! Deletes expired records, expired tombstones, and expired counts of failed messages.
//!
//! A sweep is a loop of batches, and a batch that is not full ends the loop: what expires meanwhile
//! is left to the next sweep, so a busy table cannot keep one sweep going for ever. Each batch
//! acquires its own connection, so that a long sweep holds none in between and lets other writers
//! have their turn.
//!
//! Expired records are invisible before they are swept: a claim treats them as absent, or refuses their
//! keys just as their tombstones do. Sweeping only bounds the size of the tables.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::error::claim_error;
use crate::store::Backend;
use crate::{Error, Idempotency, metrics};

/// Rows of a batch: few enough that no attempt waits long for one.
pub(super) const BATCH: i64 = 1_000;
/// How long a batch waits for a connection, once it has its turn as a writer.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

impl<DB: Backend> Idempotency<DB> {
    /// Deletes the expired records, and returns how many there were.
    ///
    /// A record whose key is [refused](crate::LateRetries) afterwards leaves a tombstone. Expired
    /// tombstones and expired counts of failed messages are deleted too; dead letters stay. Rows are deleted in
    /// batches of at most 1,000. Any number of nodes may sweep at the same time: each skips the
    /// rows that another one or an attempt has locked.
    ///
    /// Use [`sweep_every`](Self::sweep_every) in a service, and this in a scheduled job.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] and [`Error::TryAgain`]; the batches so far are deleted.
    ///
    /// # Cancellation
    ///
    /// Safe to drop at any await. The batches so far are deleted.
    ///
    /// # Examples
    ///
    /// ```
    /// # use sqlx::sqlite::SqlitePoolOptions;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let pool = SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await?;
    /// # let idem = idem_core::Idempotency::new(pool);
    /// # idem.migrate().await?;
    /// let deleted = idem.sweep().await?;
    /// assert_eq!(deleted, 0);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn sweep(&self) -> Result<u64, Error> {
        let swept = self.measure_and_sweep().await;
        let has_failed = swept.is_err();
        metrics::count(&metrics::SWEEP_FAILURES, &[], u64::from(has_failed));
        if !has_failed {
            self.node().has_swept();
        }
        swept
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "no table has so many dead letters"
    )]
    async fn measure_and_sweep(&self) -> Result<u64, Error> {
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
            let written = DB::write_tombstones(&mut conn.conn, BATCH).await;
            conn.settle(written).map_err(claim_error::<DB>)?;
            let batch = DB::sweep_records(&mut conn.conn, BATCH).await;
            let batch = conn.settle(batch).map_err(claim_error::<DB>)?;
            swept += batch;
            metrics::count(&metrics::SWEPT, &[], batch);
            // Records that expire meanwhile are left to the next sweep.
            if batch < BATCH.unsigned_abs() {
                break;
            }
        }
        loop {
            let mut conn = self.node().connections.for_writing(PATIENCE).await?;
            let batch = DB::sweep_tombstones(&mut conn.conn, BATCH).await;
            if conn.settle(batch).map_err(claim_error::<DB>)? < BATCH.unsigned_abs() {
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

    /// Sweeps immediately and then once per period, until the handle
    /// [shuts down](Self::shutdown).
    ///
    /// Spawn it on at least one node; without a sweep the table grows without end. A failure is
    /// logged, and the next period tries again.
    ///
    /// # Cancellation
    ///
    /// Safe to drop. Abort the task if the handle is never shut down.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn start(idem: &idem_core::Idempotency<sqlx::Sqlite>) {
    /// let sweeper = idem.clone();
    /// let period = std::time::Duration::from_secs(60);
    /// tokio::spawn(async move { sweeper.sweep_every(period).await });
    /// # }
    /// ```
    pub async fn sweep_every(&self, period: Duration) {
        loop {
            match self.sweep().await {
                Ok(0) => {}
                Ok(swept) => tracing::info!(swept, "deleted expired records"),
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(error, "sweep failed; it runs again in the next period");
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
