//! Builds a handle.
//!
//! A value outside of its bounds is set to the nearest one and never refused, so `build` cannot
//! fail.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::Pool;
use tokio::sync::Semaphore;

#[cfg(feature = "encryption")]
use crate::EncryptionKeys;
use crate::extension::ExtensionSlot;
use crate::idempotency::Idempotency;
use crate::settings::Settings;
use crate::store::Backend;
use crate::{Extension, LateRetries, Policy, RolloutPlan, WhileRunning};

impl<DB: Backend> Idempotency<DB> {
    /// Makes a handle with the default settings.
    pub fn new(pool: Pool<DB>) -> Self {
        Self::builder(pool).build()
    }

    /// Begins to build a handle with other settings.
    pub fn builder(pool: Pool<DB>) -> IdempotencyBuilder<DB> {
        IdempotencyBuilder {
            pool,
            settings: Settings::default(),
            extension: ExtensionSlot::default(),
        }
    }
}

/// Builds an [`Idempotency`].
///
/// The options here hold for HTTP and for the inbox. `idem-axum` adds those about HTTP, such as the
/// name of the key's header, in its trait `HttpOptions`. An operation's attribute overrides `ttl`,
/// `timeout` and `while_running`.
///
/// # Examples
///
/// ```no_run
/// use std::time::Duration;
///
/// use idem_core::{Idempotency, WhileRunning};
///
/// # fn build(pool: sqlx::Pool<impl idem_core::Backend>) {
/// let idem = Idempotency::builder(pool)
///     .ttl(Duration::from_secs(48 * 3600))
///     .timeout(Duration::from_secs(10))
///     .while_running(WhileRunning::Wait(Duration::from_secs(5)))
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
    /// Sets how long a completion can be replayed: one second to ten years. Default 24 hours.
    ///
    /// A value outside is set to the nearest bound. The database's clock decides. After the ttl a
    /// retry runs again, so choose it longer than any client retries, or
    /// [refuse late retries](Self::refuse_late_retries).
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.settings.policy.ttl = ttl.clamp(Policy::MIN_TTL, Policy::MAX_TTL);
        self
    }

    /// Refuses a key for so long after the ttl of its record: one second to ten years. Default: a late
    /// retry runs.
    ///
    /// A value outside is set to the nearest bound. Such a retry gets
    /// [`Claim::Expired`](crate::Claim::Expired), over HTTP 422 `key-expired`, which is not retryable.
    /// [`LateRetries`] says what it costs. An operation's attribute overrides it (`late_retries`). It
    /// does not apply to the inbox, whose retention is its consumer's own.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn build(pool: sqlx::Pool<impl idem_core::Backend>) {
    /// use std::time::Duration;
    ///
    /// let idem = idem_core::Idempotency::builder(pool)
    ///     .refuse_late_retries(Duration::from_secs(90 * 24 * 3600))
    ///     .build();
    /// # }
    /// ```
    #[must_use]
    pub fn refuse_late_retries(mut self, time: Duration) -> Self {
        let time = time.clamp(Policy::MIN_REFUSAL, Policy::MAX_REFUSAL);
        self.settings.policy.late_retries = LateRetries::Refuse(time);
        self
    }

    /// Sets how long an attempt may take, waiting included: 10 milliseconds to one hour. Default 30
    /// seconds.
    ///
    /// A value outside is set to the nearest bound. The time starts when the whole request has
    /// arrived, so a slow client does not use up its handler's time.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.policy.timeout = timeout.clamp(Policy::MIN_TIMEOUT, Policy::MAX_TIMEOUT);
        self
    }

    /// Sets what a duplicate gets while the first attempt runs. Default [`WhileRunning::Reject`].
    #[must_use]
    pub fn while_running(mut self, while_running: WhileRunning) -> Self {
        self.settings.policy.while_running = while_running;
        self
    }

    /// Sets how many attempts may ask the database or run on this node. Default 4096.
    ///
    /// Any further attempt fails with [`Error::Overloaded`](crate::Error::Overloaded), over HTTP 503
    /// `overloaded`. A duplicate that [waits on this node](Self::max_waiting) does not count; a
    /// duplicate of another node's attempt does, since it asks the database.
    #[must_use]
    pub fn max_attempts(mut self, attempts: usize) -> Self {
        self.settings.max_attempts = attempts.min(Semaphore::MAX_PERMITS);
        self
    }

    /// Sets how many duplicates may wait on this node for an attempt with their key. Default 1024.
    ///
    /// Any further duplicate fails with [`Error::Overloaded`](crate::Error::Overloaded). A waiting
    /// duplicate holds its request in memory, and no connection. One that need not wait does not
    /// count: while the first attempt is known to run, it gets 409 whatever this limit is. A waiting
    /// duplicate that becomes the next to run gets its place in [`max_attempts`](Self::max_attempts)
    /// before requests that arrive later.
    #[must_use]
    pub fn max_waiting(mut self, duplicates: usize) -> Self {
        self.settings.max_waiting = duplicates.min(Semaphore::MAX_PERMITS);
        self
    }

    /// Sets the secret of [downstream keys](crate::DownstreamKeys). Default: none.
    ///
    /// Without it, whoever knows a record's scope, operation and key can compute the keys that its
    /// operation sends to other services, and could send a request under such a key first. With it,
    /// only this application can. Take 32 random bytes; the length has no limit.
    ///
    /// All nodes need the same secret, and it must not change: the retry of an attempt that crashed
    /// before the change would send other keys. To change it all the same, stop the service, and wait
    /// for as long as clients retry.
    #[must_use]
    pub fn downstream_secret(mut self, secret: impl AsRef<[u8]>) -> Self {
        self.settings.downstream_secret = secret.as_ref().into();
        self
    }

    /// Sets how long an attempt waits for a connection, one hour at most. Default 5 seconds.
    ///
    /// After that it fails with [`Error::Unavailable`](crate::Error::Unavailable).
    #[must_use]
    pub fn acquire_timeout(mut self, timeout: Duration) -> Self {
        self.settings.acquire_timeout = timeout.min(Policy::MAX_TIMEOUT);
        self
    }

    /// Sets how often a claim that collided is repeated. Default 3.
    #[must_use]
    pub fn claim_retries(mut self, retries: u32) -> Self {
        self.settings.claim_retries = retries;
        self
    }

    /// Sets how many bytes of completions this node keeps in memory for replays. Default 0: none.
    ///
    /// A retry that reaches the node of the first attempt is then replayed without the database and
    /// without a connection. Its key, extractors, scope and fingerprint are checked as before, so it
    /// still needs its authorisation, and another request with the key still gets 422.
    ///
    /// A completion is kept for five minutes, or for its ttl if that is shorter. If there is no more
    /// room, the longest unused one goes first. Retries afterwards ask the database. Names and some
    /// 500 bytes of bookkeeping count too.
    ///
    /// [`invalidate`](Idempotency::invalidate) and [`erase`](Idempotency::erase) empty the memory of
    /// the handle that they are called on, and of its clones. **Other nodes do not hear of them**, and
    /// neither does any node of a record that SQL deletes: each may go on replaying it for up to five
    /// minutes. Leave the memory off where that is too long. The inbox does not use it.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn build(pool: sqlx::Pool<impl idem_core::Backend>) {
    /// let idem = idem_core::Idempotency::builder(pool)
    ///     .replay_memory(32 * 1024 * 1024)
    ///     .build();
    /// # }
    /// ```
    #[must_use]
    pub fn replay_memory(mut self, bytes: usize) -> Self {
        self.settings.replay_memory = bytes;
        self
    }

    /// Encrypts stored responses with the application's keys. Default: they are stored in the clear.
    ///
    /// Headers, body and fingerprint of a record are encrypted; its name, status, times and
    /// [reference](crate::Tx::reference) are not, so that operators find it. Records that were stored in
    /// the clear remain readable, and with [`EncryptionKeys::only_reads`] new ones are stored so. What the
    /// [replay memory](Self::replay_memory) holds is plain, and so are messages and dead letters of an
    /// [`Inbox`](crate::Inbox).
    ///
    /// A record whose key this handle does not have, or that was changed in the database, is
    /// [`Error::Unreadable`](crate::Error::Unreadable): over HTTP 503 `record-unreadable`, and it never runs.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn key() -> [u8; 32] { [7; 32] }
    /// # fn build(pool: sqlx::Pool<impl idem_core::Backend>) -> Result<(), idem_core::InvalidKeyId> {
    /// use idem_core::{EncryptionKeys, Idempotency};
    ///
    /// let keys = EncryptionKeys::new("2026-11", &key())?;
    /// let idem = Idempotency::builder(pool).encrypt_with(keys).build();
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "encryption")]
    #[must_use]
    pub fn encrypt_with(mut self, keys: EncryptionKeys) -> Self {
        self.settings.cipher = Some(Arc::new(keys));
        self
    }

    /// Sends the claim with BEGIN and the record with COMMIT, on Postgres. Default `false`.
    ///
    /// A first write then takes as many messages as a plain transaction, instead of two more. That is
    /// faster where the database is a network away. Beside it, the messages are texts without names on
    /// the server, and take it longer.
    ///
    /// **The server's log says more.** Such a message can answer by an error alone. So the server logs an
    /// error (`IDM01` to `IDM04`) for a retry and for a request that comes while the first one runs, and
    /// with it the statement: the scope and the key in hexadecimal, and where a record is refused also the
    /// response. `log_min_error_statement = fatal` keeps statements out of the log.
    ///
    /// It applies to requests with a key whose operation stores no error status, sets no isolation, does
    /// not refuse late retries, and writes in the attempt's transaction. All others are sent as before, and so are messages of an
    /// inbox. A record that takes longer than its time limit to be stored is looked up, as a COMMIT is. If a
    /// handler ends the transaction by itself and then takes too long, its statement is not stopped.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn build(pool: sqlx::Pool<impl idem_core::Backend>) {
    /// let idem = idem_core::Idempotency::builder(pool).merge_messages(true).build();
    /// # }
    /// ```
    #[must_use]
    pub fn merge_messages(mut self, merge: bool) -> Self {
        self.settings.merges_messages = merge;
        self
    }

    /// Sets the mode of each operation at the start of the process; [`Idempotency::rollout`] changes
    /// it later. Default: every operation is enforced.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn build(pool: sqlx::Pool<impl idem_core::Backend>) -> Result<(), idem_core::InvalidRollout> {
    /// let plan = "*=observe; POST /payments=observe>enforce@25%".parse()?;
    /// let idem = idem_core::Idempotency::builder(pool).rollout(plan).build();
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn rollout(mut self, plan: RolloutPlan) -> Self {
        self.settings.rollout = plan;
        self
    }

    /// Wraps the future of each enforced handler's task, for task-locals and the like.
    ///
    /// In the mode `enforce` a handler runs on its own task. The hook is called on the request's task,
    /// where it can read task-locals, with the future that runs on the handler's task, and before the
    /// key is claimed: for a replay the future is dropped and never polled. In the other modes the
    /// handler runs on the request's task, and the hook is not called.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// tokio::task_local! { static LOCALE: String; }
    ///
    /// # fn build(pool: sqlx::Pool<impl idem_core::Backend>) {
    /// let idem = idem_core::Idempotency::builder(pool)
    ///     .wrap_attempts(|attempt| match LOCALE.try_with(String::clone) {
    ///         Ok(locale) => Box::pin(LOCALE.scope(locale, attempt)),
    ///         Err(_) => attempt,
    ///     })
    ///     .build();
    /// # }
    /// ```
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

    /// Makes the handle.
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
