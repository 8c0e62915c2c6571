//! The policy of a consumer: how long its messages are remembered and how often they are tried.
//!
//! The bounds are applied when the inbox is built, not when a value is set, so that the order of
//! the calls does not matter. A message is never told to wait for a running attempt: the broker's
//! redelivery is the wait, and holds no worker.

use std::time::Duration;

use crate::{Isolation, LateRetries, Policy, WhileRunning};

/// The terms on which a consumer's messages are handled.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use idem_core::ConsumerPolicy;
///
/// const DAY: Duration = Duration::from_secs(24 * 3600);
///
/// let policy = ConsumerPolicy::default()
///     .retention(30 * DAY)
///     .redelivery(14 * DAY) // as long as the broker keeps a message
///     .max_attempts(10)
///     .timeout(Duration::from_secs(20)); // less than the broker's acknowledgement timeout
/// assert!(policy.redelivery < Some(policy.retention));
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ConsumerPolicy {
    /// How long a handled message is remembered, by the database's clock. Default 14 days.
    ///
    /// A later delivery is handled again, so this must be longer than the broker's longest
    /// redelivery: the age of its streams, of its dead-letter queues, of replays. It is limited to
    /// one second at least and ten years at most.
    pub retention: Duration,
    /// The longest time after which the broker may deliver a message again, if you know it.
    ///
    /// [`InboxBuilder::build`](crate::InboxBuilder::build) warns if it is longer than the
    /// retention.
    pub redelivery: Option<Duration>,
    /// The number of failed attempts after which a message is parked. Default 5, at least 1.
    pub max_attempts: u32,
    /// How long an attempt may take, waiting included. Default 30 seconds, limited to
    /// 10 milliseconds at least and one hour at most.
    ///
    /// Choose less than the time that the broker waits for an acknowledgement. Otherwise it
    /// delivers the message again meanwhile, and that delivery is
    /// [in flight](crate::Processed::InFlight).
    pub timeout: Duration,
    /// The isolation level of the attempt's transaction. Default [`Isolation::Default`].
    pub isolation: Isolation,
}

impl Default for ConsumerPolicy {
    fn default() -> Self {
        let Policy {
            timeout, isolation, ..
        } = Policy::default();
        Self {
            retention: Duration::from_secs(14 * 24 * 3600),
            redelivery: None,
            max_attempts: 5,
            timeout,
            isolation,
        }
    }
}

impl ConsumerPolicy {
    /// Sets how long a handled message is remembered.
    #[must_use]
    pub fn retention(mut self, retention: Duration) -> Self {
        self.retention = retention;
        self
    }

    /// Sets the longest time after which the broker may deliver a message again.
    #[must_use]
    pub fn redelivery(mut self, redelivery: Duration) -> Self {
        self.redelivery = Some(redelivery);
        self
    }

    /// Sets the number of failed attempts after which a message is parked.
    #[must_use]
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = attempts;
        self
    }

    /// Sets how long an attempt may take.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets the isolation level of the attempt's transaction.
    #[must_use]
    pub fn isolation(mut self, isolation: Isolation) -> Self {
        self.isolation = isolation;
        self
    }

    pub(super) fn within_bounds(mut self) -> Self {
        self.retention = self.retention.clamp(Policy::MIN_TTL, Policy::MAX_TTL);
        self.timeout = self.timeout.clamp(Policy::MIN_TIMEOUT, Policy::MAX_TIMEOUT);
        self.max_attempts = self.max_attempts.max(1);
        self
    }

    pub(super) fn warn_of_short_retention(&self, consumer: &str) {
        let Some(redelivery) = self.redelivery.filter(|time| *time > self.retention) else {
            return;
        };
        tracing::warn!(
            consumer,
            retention = ?self.retention,
            ?redelivery,
            "retention is shorter than the broker's longest redelivery: a late redelivery is \
             handled again; raise the retention"
        );
    }

    pub(super) fn of_attempt(&self) -> Policy {
        Policy {
            ttl: self.retention,
            timeout: self.timeout,
            while_running: WhileRunning::Reject,
            isolation: self.isolation,
            may_undo: false,
            expects_retries: false,
            // A consumer's retention is as long as its broker redelivers.
            late_retries: LateRetries::Run,
        }
    }
}
