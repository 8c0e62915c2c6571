//! The handle that an application keeps in its state.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sqlx::Pool;
use tokio::time::timeout;

use crate::builder::{IdempotencyBuilder, Settings};
use crate::extension::ExtensionSlot;
use crate::node::Node;
use crate::store::Backend;
use crate::{CheckError, MigrateError, Rollout, ShutdownTimedOut, metrics};

/// The idempotency of one database: its pool, the defaults, and this node's running attempts.
///
/// Cheap to clone; clones share everything. Make one per pool: attempts of different handles
/// do not know of each other on their node and meet in the database only.
///
/// # Examples
///
/// ```no_run
/// # async fn start(pool: sqlx::Pool<impl idem_core::Backend>) -> Result<(), Box<dyn std::error::Error>> {
/// let idem = idem_core::Idempotency::new(pool);
/// idem.migrate().await?;
/// # Ok(())
/// # }
/// ```
pub struct Idempotency<DB: Backend>(Arc<Node<DB>>);

impl<DB: Backend> Idempotency<DB> {
    /// A handle with the default settings.
    pub fn new(pool: Pool<DB>) -> Self {
        Self::builder(pool).build()
    }

    /// A handle with settings of its own.
    pub fn builder(pool: Pool<DB>) -> IdempotencyBuilder<DB> {
        IdempotencyBuilder::new(pool)
    }

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
    /// Safe on several nodes at once. The SQL is in the crate's folder `migrations` for those
    /// who would rather run it with their own.
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

    /// Says at start what is missing: tables, grants.
    ///
    /// # Errors
    ///
    /// [`CheckError::NotReady`] lists what is missing and the cure.
    pub async fn check(&self) -> Result<(), CheckError> {
        let mut conn = self.pool().acquire().await?;
        match DB::check(&mut conn).await? {
            missing if missing.is_empty() => Ok(()),
            missing => Err(CheckError::NotReady(missing)),
        }
    }

    /// Refuses new attempts and waits for the running ones, at most until the limit.
    ///
    /// axum's graceful shutdown does not know attempts whose clients have gone; call this
    /// after it and before the pool is closed.
    ///
    /// # Errors
    ///
    /// [`ShutdownTimedOut`] says how many were left. They are rolled back when the process ends.
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
