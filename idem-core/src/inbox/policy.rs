//! What holds for the messages of one consumer: how long they are known, how often they are tried.

use std::time::Duration;

use crate::{Isolation, Policy, WhileRunning};

/// The terms on which a consumer's messages are handled.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ConsumerPolicy {
    /// How long a handled message is known, by the database's clock. Default 14 days.
    ///
    /// A delivery that comes later is handled again, so this must be longer than the broker's
    /// longest path of redelivery: the age of its streams, its dead-letter queues, its replays.
    /// Held within one second and ten years.
    pub retention: Duration,
    /// The longest time after which the broker may deliver a message again, if it is known.
    ///
    /// [`InboxBuilder::build`](crate::InboxBuilder::build) warns when it is over the retention.
    pub redelivery: Option<Duration>,
    /// After how many failed attempts a message is parked. Default 5, at least 1.
    pub max_attempts: u32,
    /// How long an attempt may take, waiting included. Default 30 seconds, held within
    /// 10 milliseconds and one hour.
    ///
    /// Less than the broker waits for an acknowledgement, or else it delivers the message again
    /// meanwhile, which is then told to be [in flight](crate::Processed::InFlight).
    pub timeout: Duration,
    /// The isolation of the attempt's transaction.
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
    /// How long a handled message is known.
    #[must_use]
    pub fn retention(mut self, retention: Duration) -> Self {
        self.retention = retention;
        self
    }

    /// The longest time after which the broker may deliver a message again.
    #[must_use]
    pub fn redelivery(mut self, redelivery: Duration) -> Self {
        self.redelivery = Some(redelivery);
        self
    }

    /// After how many failed attempts a message is parked.
    #[must_use]
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = attempts;
        self
    }

    /// How long an attempt may take.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The isolation of the attempt's transaction.
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
            "messages are forgotten before the broker's last redelivery, which would be handled \
             again: raise the consumer's retention"
        );
    }

    pub(super) fn of_attempt(&self) -> Policy {
        Policy {
            ttl: self.retention,
            timeout: self.timeout,
            while_running: WhileRunning::Reject,
            isolation: self.isolation,
        }
    }
}
