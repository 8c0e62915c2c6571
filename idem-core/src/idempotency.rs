//! The handle that an application keeps in its state.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sqlx::Pool;
use tokio::time::timeout;

use crate::extension::ExtensionSlot;
use crate::node::Node;
use crate::settings::Settings;
use crate::store::Backend;
use crate::{CheckError, MigrateError, Rollout, ShutdownTimedOut, metrics};

/// The handle of one database: its pool, its settings, and this node's running attempts.
///
/// Keep it in the router's state, or give it to an [`Inbox`](crate::Inbox). A clone is cheap and
/// shares everything. Make one handle per pool: attempts of two handles do not see each other on
/// their node and meet only in the database.
///
/// # Examples
///
/// ```no_run
/// # async fn start(pool: sqlx::Pool<impl idem_core::Backend>) -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// use idem_core::Idempotency;
///
/// let idem = Idempotency::new(pool);
/// idem.migrate().await?;
/// idem.check().await?;
/// let sweeper = idem.clone();
/// tokio::spawn(async move { sweeper.sweep_every(Duration::from_secs(60)).await });
/// // … serve requests, then:
/// idem.shutdown(Duration::from_secs(30)).await?;
/// # Ok(())
/// # }
/// ```
pub struct Idempotency<DB: Backend>(Arc<Node<DB>>);

impl<DB: Backend> Idempotency<DB> {
    pub(crate) fn with_settings(
        pool: Pool<DB>,
        settings: Settings,
        extension: ExtensionSlot,
    ) -> Self {
        Self(Arc::new(Node::new(pool, settings, extension)))
    }

    /// What this process knows and holds for the handle.
    pub(crate) fn node(&self) -> &Arc<Node<DB>> {
        &self.0
    }

    /// Creates or updates Idem's tables, beside the application's own migrations.
    ///
    /// Several nodes may call it at the same time. To run the SQL with your own migrations instead,
    /// take it from the crate's folder `migrations`.
    ///
    /// # Errors
    ///
    /// [`MigrateError`] with the database's answer; the tables are as they were.
    ///
    /// # Cancellation
    ///
    /// Each migration is applied whole or not at all.
    pub async fn migrate(&self) -> Result<(), MigrateError> {
        Ok(DB::migrate(self.pool()).await?)
    }

    /// Checks that the tables exist and that the account may use them. Call it at the start.
    ///
    /// # Errors
    ///
    /// [`CheckError::NotReady`] lists what is missing, with the cure. [`CheckError::Unavailable`]: the
    /// database cannot be reached.
    pub async fn check(&self) -> Result<(), CheckError> {
        let mut conn = self.pool().acquire().await?;
        match DB::check(&mut conn).await? {
            missing if missing.is_empty() => Ok(()),
            missing => Err(CheckError::NotReady(missing)),
        }
    }

    /// Refuses new attempts and waits for the running ones, at most until the limit.
    ///
    /// axum's graceful shutdown does not wait for attempts whose clients have disconnected. Call this
    /// after it, and before you close the pool.
    ///
    /// # Errors
    ///
    /// [`ShutdownTimedOut`] says how many are left. They are rolled back when the process ends.
    ///
    /// # Cancellation
    ///
    /// Safe to drop and to call again; new attempts stay refused.
    pub async fn shutdown(&self, limit: Duration) -> Result<(), ShutdownTimedOut> {
        self.0.admissions.close();
        match timeout(limit, self.0.admissions.shut_down()).await {
            Ok(()) => Ok(()),
            Err(_) => Err(ShutdownTimedOut {
                running: self.running(),
                waited: limit,
            }),
        }
    }

    /// How many attempts run on this node, or wait for one that does.
    pub fn running(&self) -> usize {
        self.0.admissions.running()
    }

    /// Sets the gauges of what runs and waits on this node, and of its last sweep. Call it before each
    /// scrape.
    #[expect(clippy::cast_precision_loss, reason = "so many attempts no node has")]
    pub fn update_gauges(&self) {
        let (waiting, oldest) = self.0.in_flight.load();
        metrics::set(&metrics::RUNNING, self.running() as f64);
        metrics::set(&metrics::WAITING, waiting as f64);
        metrics::set(&metrics::OLDEST, oldest.as_secs_f64());
        let since_sweep = self.0.swept_at().elapsed();
        metrics::set(&metrics::LAST_SWEEP, since_sweep.as_secs_f64());
        self.0.extension.update_gauges();
    }

    /// The pool that records and handlers' writes share.
    pub fn pool(&self) -> &Pool<DB> {
        &self.0.connections.pool
    }

    /// What the handle was built with.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// How much of its work the attribute does in this process, by operation.
    pub fn rollout(&self) -> &Rollout {
        &self.0.rollout
    }
}

impl<DB: Backend> Clone for Idempotency<DB> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<DB: Backend> fmt::Debug for Idempotency<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Idempotency")
            .field("settings", &self.0.settings)
            .field("extension", &self.0.extension)
            .field("running", &self.running())
            .finish_non_exhaustive()
    }
}
