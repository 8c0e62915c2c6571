//! The settings of a handle, and their defaults.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::Pool;
use tokio::sync::Semaphore;

use crate::store::Backend;
use crate::{Challenge, Idempotency, Policy, RolloutPlan, WhileRunning};

type Wrap = dyn Fn(BoxFuture<'static, ()>) -> BoxFuture<'static, ()> + Send + Sync;

/// What a handle was built with; an operation's attribute overrides the policy.
#[derive(Clone)]
#[non_exhaustive]
pub struct Settings {
    /// The terms of operations that do not name their own.
    pub policy: Policy,
    /// The longest answer that is stored, headers and body together, in bytes. Default 1 MiB.
    pub max_response: usize,
    /// How many attempts may ask the database or run on this node. Default 4096.
    pub max_attempts: usize,
    /// How many duplicates may wait on this node. Default 1024.
    pub max_waiting: usize,
    /// How many bytes of request bodies this node may hold while they are read. Default 64 MiB.
    pub max_buffered_bytes: usize,
    /// How long reading a request's body may take. Default 30 seconds.
    pub body_timeout: Duration,
    /// How long an attempt waits for a connection. Default 5 seconds.
    pub acquire_timeout: Duration,
    /// How often a claim that collided is tried again. Default 3.
    pub claim_retries: u32,
    /// The field in which the key travels. Default `Idempotency-Key`.
    pub key_header: Box<str>,
    /// Whether only the quoted form of a key is accepted. Default no.
    pub strict_keys: bool,
    /// What the `type` of a problem begins with. Default `urn:idem:problem:`.
    pub problem_base: Box<str>,
    /// Headers that are never stored, in lower case, beside those that never are.
    pub unstored_headers: Vec<Box<str>>,
    /// The `WWW-Authenticate` of 401 `scope-missing`. Default none.
    pub challenge: Option<Challenge>,
    /// How much of its work the attribute does when the process starts. Default all of it.
    pub rollout: RolloutPlan,
    pub(crate) wrap: Option<Arc<Wrap>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            max_response: 1 << 20,
            max_attempts: 4096,
            max_waiting: 1024,
            max_buffered_bytes: 64 << 20,
            body_timeout: Duration::from_secs(30),
            acquire_timeout: Duration::from_secs(5),
            claim_retries: 3,
            key_header: "idempotency-key".into(),
            strict_keys: false,
            problem_base: "urn:idem:problem:".into(),
            unstored_headers: Vec::new(),
            challenge: None,
            rollout: RolloutPlan::default(),
            wrap: None,
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("policy", &self.policy)
            .field("max_response", &self.max_response)
            .field("max_attempts", &self.max_attempts)
            .field("max_waiting", &self.max_waiting)
            .field("max_buffered_bytes", &self.max_buffered_bytes)
            .field("body_timeout", &self.body_timeout)
            .field("acquire_timeout", &self.acquire_timeout)
            .field("claim_retries", &self.claim_retries)
            .field("key_header", &self.key_header)
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
///     .problem_base("https://errors.example.com/idempotency/")
///     .build();
/// # }
/// ```
pub struct IdempotencyBuilder<DB: Backend> {
    pool: Pool<DB>,
    settings: Settings,
}

impl<DB: Backend> IdempotencyBuilder<DB> {
    pub(crate) fn new(pool: Pool<DB>) -> Self {
        Self {
            pool,
            settings: Settings::default(),
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
    /// It counts from when the request's body has been read, which has a
    /// [limit of its own](Self::body_timeout): a slow client does not use up its handler's time.
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

    /// The longest answer that is stored, headers and body together, in bytes.
    ///
    /// Trailers count too, though they are not stored: an answer that has some is answered whole the
    /// first time, and replayed without them. What is longer is answered 500
    /// `response-not-storable`, and rolled back.
    #[must_use]
    pub fn max_response(mut self, bytes: usize) -> Self {
        self.settings.max_response = bytes;
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

    /// How many bytes of request bodies this node may hold while they are read; a body for which
    /// none are left is answered 503 `overloaded`.
    ///
    /// Memory is what runs out, so bytes are counted, as they arrive: an upload that is announced
    /// and does not come holds nothing back. Each body counts for at least 1 KiB, which bounds
    /// their number too. A body is counted until its attempt begins or waits; from then on
    /// [`max_attempts`](Self::max_attempts) and [`max_waiting`](Self::max_waiting) bound it. One that
    /// is longer than all of this is answered 413, whatever its operation's `max_body` is.
    ///
    /// The bytes are not divided among tenants. Whoever is authenticated and sends as many as there
    /// are keeps other bodies out, for [`body_timeout`](Self::body_timeout) at most and then again:
    /// against that a proxy that buffers requests helps, or a limit per client. The modes that do
    /// not enforce refuse nothing: such a body is passed on unread, and leaves no record.
    #[must_use]
    pub fn max_buffered_bytes(mut self, bytes: usize) -> Self {
        self.settings.max_buffered_bytes = bytes.min(Semaphore::MAX_PERMITS);
        self
    }

    /// How long reading a request's body may take in all; held within 10 milliseconds and one hour.
    /// What takes longer is answered 408 `body-timeout`, and its key stays free.
    ///
    /// One limit for the whole body ends a client that stands still and one that sends a byte now
    /// and then. It begins once the extractors that need no body have agreed, and is over when
    /// the body is there; the attempt's [`timeout`](Self::timeout) begins then. A body of 2 MiB
    /// needs 70 KB/s to be there within the 30 seconds that are the default.
    #[must_use]
    pub fn body_timeout(mut self, timeout: Duration) -> Self {
        self.settings.body_timeout = timeout.clamp(Policy::MIN_TIMEOUT, Policy::MAX_TIMEOUT);
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

    /// The field in which the key travels.
    #[must_use]
    pub fn key_header(mut self, name: &str) -> Self {
        self.settings.key_header = name.to_ascii_lowercase().into();
        self
    }

    /// Accepts only the quoted form of a key, as the draft has it.
    #[must_use]
    pub fn strict_keys(mut self) -> Self {
        self.settings.strict_keys = true;
        self
    }

    /// What the `type` of a problem begins with; documents at these addresses explain them.
    #[must_use]
    pub fn problem_base(mut self, base: &str) -> Self {
        self.settings.problem_base = base.into();
        self
    }

    /// A header that is never stored, beside those that never are: such as `x-auth-token`, or
    /// another one that carries credentials and has no standard to say so.
    #[must_use]
    pub fn unstored_header(mut self, name: &str) -> Self {
        self.settings
            .unstored_headers
            .push(name.to_ascii_lowercase().into());
        self
    }

    /// The `WWW-Authenticate` of 401 `scope-missing`.
    ///
    /// [RFC 9110, section 11.6.1] asks for one in every 401, and only the application knows how its
    /// clients authenticate. Without this setting none is sent. A scope's own rejection is sent as it
    /// is.
    ///
    /// [RFC 9110, section 11.6.1]: https://www.rfc-editor.org/rfc/rfc9110#section-11.6.1
    #[must_use]
    pub fn challenge(mut self, challenge: Challenge) -> Self {
        self.settings.challenge = Some(challenge);
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

    /// The handle.
    pub fn build(self) -> Idempotency<DB> {
        Idempotency::with_settings(self.pool, self.settings)
    }
}

impl<DB: Backend> fmt::Debug for IdempotencyBuilder<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdempotencyBuilder")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
