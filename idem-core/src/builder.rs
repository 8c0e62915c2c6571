//! The settings of a handle, and their defaults.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::Pool;
use tokio::sync::Semaphore;

use crate::extension::ExtensionSlot;
use crate::store::Backend;
use crate::{Extension, Idempotency, Policy, RolloutPlan, WhileRunning};

type Wrap = dyn Fn(BoxFuture<'static, ()>) -> BoxFuture<'static, ()> + Send + Sync;

/// What a handle was built with; an operation's attribute overrides the policy.
#[derive(Clone)]
#[non_exhaustive]
pub struct Settings {
    /// The terms of operations that do not name their own.
    pub policy: Policy,
    /// How many attempts may ask the database or run on this node. Default 4096.
    pub max_attempts: usize,
    /// How many duplicates may wait on this node. Default 1024.
    pub max_waiting: usize,
    /// How long an attempt waits for a connection. Default 5 seconds.
    pub acquire_timeout: Duration,
    /// How often a claim that collided is tried again. Default 3.
    pub claim_retries: u32,
    /// How much of its work the attribute does when the process starts. Default all of it.
    pub rollout: RolloutPlan,
    pub(crate) wrap: Option<Arc<Wrap>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            max_attempts: 4096,
            max_waiting: 1024,
            acquire_timeout: Duration::from_secs(5),
            claim_retries: 3,
            rollout: RolloutPlan::default(),
            wrap: None,
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("policy", &self.policy)
            .field("max_attempts", &self.max_attempts)
            .field("max_waiting", &self.max_waiting)
            .field("acquire_timeout", &self.acquire_timeout)
            .field("claim_retries", &self.claim_retries)
            .field("rollout", &self.rollout)
            .finish_non_exhaustive()
    }
}

/// Builds an [`Idempotency`].
///
/// # Examples
///
/// ```no_run
/// # fn build(pool: sqlx::Pool<impl idem_core::Backend>) {
/// let idem = idem_core::Idempotency::builder(pool)
///     .ttl(std::time::Duration::from_secs(48 * 3600))
///     .max_attempts(1024)
///     .build();
/// # }
/// ```
pub struct IdempotencyBuilder<DB: Backend> {
    pool: Pool<DB>,
    settings: Settings,
    extension: ExtensionSlot,
}

impl<DB: Backend> IdempotencyBuilder<DB> {
    pub(crate) fn new(pool: Pool<DB>) -> Self {
        Self {
            pool,
            settings: Settings::default(),
            extension: ExtensionSlot::default(),
        }
    }

    /// How long completions can be replayed; held within one second and ten years.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.settings.policy.ttl = ttl.clamp(Policy::MIN_TTL, Policy::MAX_TTL);
        self
    }

    /// How long an attempt may take, waiting included; held within 10 milliseconds and one hour.
    ///
    /// It counts from when the whole request is there: a slow client does not use up its handler's
    /// time.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.policy.timeout = timeout.clamp(Policy::MIN_TIMEOUT, Policy::MAX_TIMEOUT);
        self
    }

    /// What a duplicate of a running attempt gets.
    #[must_use]
    pub fn while_running(mut self, while_running: WhileRunning) -> Self {
        self.settings.policy.while_running = while_running;
        self
    }

    /// How many attempts may ask the database or run on this node; more are answered 503
    /// `overloaded`.
    ///
    /// A duplicate that [waits on this node](Self::max_waiting) is not counted; one of another
    /// node's attempt is, since it asks the database.
    #[must_use]
    pub fn max_attempts(mut self, attempts: usize) -> Self {
        self.settings.max_attempts = attempts.min(Semaphore::MAX_PERMITS);
        self
    }

    /// How many duplicates may wait on this node for an attempt with their key; more are answered
    /// 503 `overloaded`.
    ///
    /// They hold their request and no connection. A duplicate that does not wait is not counted: one
    /// of an attempt that runs is told so at once, whatever this says. One that waits and is the
    /// next to run takes its turn for [`max_attempts`](Self::max_attempts), before those that come
    /// later.
    #[must_use]
    pub fn max_waiting(mut self, duplicates: usize) -> Self {
        self.settings.max_waiting = duplicates.min(Semaphore::MAX_PERMITS);
        self
    }

    /// How long an attempt waits for a connection before it is told to come again; at most one
    /// hour.
    #[must_use]
    pub fn acquire_timeout(mut self, timeout: Duration) -> Self {
        self.settings.acquire_timeout = timeout.min(Policy::MAX_TIMEOUT);
        self
    }

    /// How often a claim that collided is tried again.
    #[must_use]
    pub fn claim_retries(mut self, retries: u32) -> Self {
        self.settings.claim_retries = retries;
        self
    }

    /// How much of its work the attribute does, by operation, until it is
    /// [changed](Idempotency::rollout).
    #[must_use]
    pub fn rollout(mut self, plan: RolloutPlan) -> Self {
        self.settings.rollout = plan;
        self
    }

    /// Wraps the future of each attempt's task, for task-locals and the like.
    ///
    /// An attempt runs on a task of its own. The hook is called on the request's task, where
    /// its task-locals can be read, with the future that will run on the attempt's task. One that
    /// is not enforced runs on the request's task, and the hook is not called.
    #[must_use]
    pub fn wrap_attempts<W>(mut self, wrap: W) -> Self
    where
        W: Fn(BoxFuture<'static, ()>) -> BoxFuture<'static, ()> + Send + Sync + 'static,
    {
        self.settings.wrap = Some(Arc::new(wrap));
        self
    }

    /// Changes what a crate above keeps with the handle. Not part of the public API.
    #[doc(hidden)]
    #[must_use]
    pub fn extend<T: Extension + Default>(mut self, change: impl FnOnce(&mut T)) -> Self {
        self.extension.change(change);
        self
    }

    /// The handle.
    pub fn build(self) -> Idempotency<DB> {
        Idempotency::with_settings(self.pool, self.settings, self.extension)
    }
}

impl<DB: Backend> fmt::Debug for IdempotencyBuilder<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdempotencyBuilder")
            .field("settings", &self.settings)
            .field("extension", &self.extension)
            .finish_non_exhaustive()
    }
}
