//! The terms of one operation: how long its attempts may take and its records are kept.
//!
//! A policy is a plain value that each attempt carries, so a change of settings never affects an
//! attempt that has begun. Its bounds are applied where the options are read: in the builder, in a
//! consumer's policy, and by the attribute.

use std::time::Duration;

/// The terms on which an operation's attempts run and its records are kept.
///
/// An application sets the terms of all operations on the
/// [builder](crate::Idempotency::builder), and those of one operation by the options of its
/// attribute (`ttl`, `timeout`, `in_flight`, `isolation`, `expect`, `late_retries`). Whoever claims attempts directly
/// passes a policy with each [`Attempt`](crate::Attempt).
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use idem_core::{Policy, WhileRunning};
///
/// let mut policy = Policy::default();
/// assert_eq!(policy.ttl, Duration::from_secs(24 * 3600));
/// policy.ttl = Duration::from_secs(7 * 24 * 3600);
/// policy.while_running = WhileRunning::Wait(Duration::from_secs(5));
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Policy {
    /// How long a response can be replayed, by the database's clock. Default 24 hours.
    ///
    /// A retry that arrives later runs again, unless [`late_retries`](Self::late_retries) refuses it.
    /// So this must be longer than the longest time for which clients retry.
    pub ttl: Duration,
    /// How long an attempt may take, from the arrival of its whole request on. Default 30 seconds.
    ///
    /// The time to wait for a connection, for other attempts and for the database counts.
    pub timeout: Duration,
    /// What a duplicate of a running attempt gets. Default [`WhileRunning::Reject`].
    pub while_running: WhileRunning,
    /// The isolation level of the attempt's transaction. Default [`Isolation::Default`].
    pub isolation: Isolation,
    /// Whether an attempt may end with [`Effects::Undo`](crate::Effects::Undo). Default `true`.
    ///
    /// To undo a handler's writes and keep the transaction takes a savepoint, which costs a message
    /// and a transaction id on Postgres. `idem-axum` asks for one only if the attribute's `store`
    /// names a status, since nothing else stores the response of an `Err`.
    pub may_undo: bool,
    /// Whether a record is read before it is claimed. Default `false`.
    ///
    /// A claim begins a transaction. Where most requests are retries of what another node has answered,
    /// a plain read answers them with fewer messages; a first attempt sends that read in vain. A node
    /// reads first in any case what it has seen answered itself, and on SQLite everything.
    pub expects_retries: bool,
    /// What a retry gets whose record has expired. Default [`LateRetries::Run`].
    pub late_retries: LateRetries,
}

impl Policy {
    /// The shortest ttl: one second.
    pub const MIN_TTL: Duration = Duration::from_secs(1);
    /// The longest ttl: ten years.
    pub const MAX_TTL: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
    /// The shortest timeout: 10 milliseconds. For a database, zero means no limit.
    pub const MIN_TIMEOUT: Duration = Duration::from_millis(10);
    /// The longest timeout, and the longest wait of a duplicate: one hour.
    pub const MAX_TIMEOUT: Duration = Duration::from_secs(3600);
    /// The shortest time for which an expired key is [refused](LateRetries::Refuse): one second.
    pub const MIN_REFUSAL: Duration = Duration::from_secs(1);
    /// The longest time for which an expired key is refused: ten years.
    pub const MAX_REFUSAL: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            ttl: Duration::from_secs(24 * 3600),
            timeout: Duration::from_secs(30),
            while_running: WhileRunning::Reject,
            isolation: Isolation::Default,
            may_undo: true,
            expects_retries: false,
            late_retries: LateRetries::Run,
        }
    }
}

/// What a retry gets that comes after the ttl of its record.
///
/// [`Refuse`](Self::Refuse) is for operations that must not run twice however late a client retries:
/// a queue that was stuck for a week, a batch that is sent again. It keeps one small row for each key,
/// the tombstone, once the record is gone. It costs a claim one look-up more, and one index entry per
/// key in the tombstones' table.
///
/// The record remembers for how long its key is refused. So a change of the option holds for records
/// that are stored afterwards, and a record that was stored without it leaves no tombstone. One that
/// replaces an expired record which refuses keeps that time, and nodes with the option respect it.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use idem_core::{LateRetries, Policy};
///
/// let mut policy = Policy::default();
/// assert_eq!(policy.late_retries, LateRetries::Run);
/// policy.late_retries = LateRetries::Refuse(Duration::from_secs(30 * 24 * 3600));
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum LateRetries {
    /// It runs, as a first attempt.
    Run,
    /// It is refused for this time after the end of the ttl: [expired](crate::Claim::Expired), which a
    /// client sees as 422 `key-expired`. Afterwards it runs.
    Refuse(Duration),
}

impl LateRetries {
    /// The time for which an expired key is refused, within its bounds.
    pub(crate) fn refusal(self) -> Option<Duration> {
        match self {
            Self::Run => None,
            Self::Refuse(time) => Some(time.clamp(Policy::MIN_REFUSAL, Policy::MAX_REFUSAL)),
        }
    }
}

/// What a duplicate gets while the first attempt runs.
///
/// Use [`Reject`](Self::Reject) if clients retry by themselves, as most do. Use
/// [`Wait`](Self::Wait) if a client cannot retry, such as a form that a user submits twice, and the
/// operation takes less time than the client waits for a response. On the node where the first
/// attempt runs, a duplicate holds no connection in either case.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use idem_core::{Policy, WhileRunning};
///
/// let mut policy = Policy::default();
/// assert_eq!(policy.while_running, WhileRunning::Reject);
/// policy.while_running = WhileRunning::Wait(Duration::from_secs(2));
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum WhileRunning {
    /// The duplicate is [in flight](crate::Claim::InFlight), which a client sees as 409.
    ///
    /// It gets no final answer until Idem knows whether the earlier attempt is the first, for at
    /// most one second: a response may already be stored.
    Reject,
    /// The duplicate waits for the first attempt to end, and gets its response.
    ///
    /// After this time it is [in flight](crate::Claim::InFlight).
    Wait(Duration),
}

/// The isolation level of an attempt's transaction.
///
/// Idem's guarantee holds on every level: the primary key of the record decides. The level is for
/// the handler's own statements. Use [`Serializable`](Self::Serializable) for a handler that
/// decides by what it reads, such as "the balance is enough", and takes no lock on those rows.
///
/// # Examples
///
/// ```
/// use idem_core::{Isolation, Policy};
///
/// let mut policy = Policy::default();
/// assert_eq!(policy.isolation, Isolation::Default);
/// policy.isolation = Isolation::Serializable;
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Isolation {
    /// The level that the database or the connection is set to.
    Default,
    /// `READ COMMITTED`.
    ///
    /// On Postgres, attempts without a [`Tx`](crate::Tx) always use it: their effects cannot be
    /// undone, and only on this level an attempt sees at once what another node has committed.
    ReadCommitted,
    /// `SERIALIZABLE`. SQLite is always serializable.
    ///
    /// The database may refuse a transaction that conflicts with another one. The attempt is then
    /// rolled back with [`Error::TryAgain`](crate::Error::TryAgain).
    Serializable,
}
