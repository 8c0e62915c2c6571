//! What holds for the attempts of one operation: how long, how many, what meanwhile.

use std::time::Duration;

/// The terms on which an operation's attempts run and its completions are kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Policy {
    /// How long a completion can be replayed, by the database's clock. Default 24 hours.
    pub ttl: Duration,
    /// How long an attempt may take once its request is there, waiting included. Default 30 seconds.
    pub timeout: Duration,
    /// What a duplicate of a running attempt gets. Default [`WhileRunning::Reject`].
    pub while_running: WhileRunning,
    /// The isolation of the attempt's transaction.
    pub isolation: Isolation,
}

impl Policy {
    /// The shortest ttl: one second.
    pub const MIN_TTL: Duration = Duration::from_secs(1);
    /// The longest ttl: ten years.
    pub const MAX_TTL: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
    /// The shortest time for an attempt: 10 milliseconds. None at all is no limit to a database.
    pub const MIN_TIMEOUT: Duration = Duration::from_millis(10);
    /// The longest time for an attempt, and for a wait within it: one hour.
    pub const MAX_TIMEOUT: Duration = Duration::from_secs(3600);
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            ttl: Duration::from_secs(24 * 3600),
            timeout: Duration::from_secs(30),
            while_running: WhileRunning::Reject,
            isolation: Isolation::Default,
        }
    }
}

/// What a duplicate gets while the first attempt runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum WhileRunning {
    /// It is told so at once. It waits for a second at most until it is known whether the attempt
    /// before it is the first, since an answer may be stored already.
    Reject,
    /// It waits for the first attempt to end, at most this long, and is then told so.
    Wait(Duration),
}

/// The isolation level of an attempt's transaction.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Isolation {
    /// The level that the database or the connection is set to.
    Default,
    /// `READ COMMITTED`, where attempts without a transaction to lend always run on Postgres: what
    /// they do elsewhere cannot be undone, and only here does an attempt see at once what another
    /// node has committed.
    ReadCommitted,
    /// `SERIALIZABLE`. SQLite is always serializable.
    Serializable,
}
