//! How an attempt at a message has ended, and what to tell the broker.

use std::fmt;
use std::time::Duration;

use crate::{Error, InvalidOperation};

/// What became of a delivery that did not fail.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a consumer must treat each of the four"
)]
pub enum Processed<T> {
    /// It is the first: it has been handled, with this result, and is committed.
    First(T),
    /// It had been handled before; nothing ran.
    Duplicate,
    /// It is being handled by another worker right now, or by one that is about to end; nothing
    /// ran. Ask for it again later.
    InFlight,
    /// It had failed too often and lies among the dead letters; nothing ran.
    Parked,
}

/// Why a message could not be handled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessError<E> {
    /// The attempt failed; everything it wrote was rolled back.
    #[error("{failure}")]
    Failed {
        /// How it failed.
        failure: Failure<E>,
        /// How many attempts have failed, this one included; 0 if it could not be counted.
        attempts: u32,
        /// The message is parked now, and must not be delivered again.
        is_parked: bool,
    },
    /// The id had been used for a message with other content; nothing ran.
    #[error("the message has the id of another one, and other content")]
    Reused {
        /// The message is parked now, and must not be delivered again.
        is_parked: bool,
    },
    /// The store failed, not the message: it is not counted. Except for
    /// [`Error::OutcomeUnknown`] nothing was kept.
    #[error(transparent)]
    Store(Error),
    /// The message has no id, so nothing ran; or the consumer's name cannot be stored.
    #[error("the message cannot be known: {0}")]
    Unknowable(&'static str),
}

/// How an attempt at a message failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum Failure<E> {
    /// The handler returned this error.
    Returned(E),
    /// The handler panicked.
    Panicked,
    /// The handler took longer than the policy's timeout.
    TimedOut,
    /// What the handler left could not be committed, or it ended the transaction itself.
    NotCommitted(Error),
    /// The worker ended in the middle of the attempts before, which were as many as there may be.
    Crashed,
}

impl<T> Processed<T> {
    /// The word for it in metrics.
    pub(super) fn as_str(&self) -> &'static str {
        match self {
            Self::First(_) => "first",
            Self::Duplicate => "duplicate",
            Self::InFlight => "in_flight",
            Self::Parked => "parked",
        }
    }
}

impl<E> ProcessError<E> {
    /// The word for it in metrics.
    pub(super) fn as_str(&self) -> &'static str {
        match self {
            Self::Failed { .. } => "failed",
            Self::Reused { .. } => "reused",
            Self::Store(Error::OutcomeUnknown) => "outcome_unknown",
            Self::Store(_) => "unavailable",
            Self::Unknowable(_) => "unknowable",
        }
    }
}

/// What to tell the broker.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "two answers are all there are")]
pub enum Settlement {
    /// Acknowledge it: it is handled, or parked.
    Ack,
    /// Ask for it again, after this time.
    Retry {
        /// How long to wait: longer with each failure, and never the same for all.
        after: Duration,
    },
}

impl Settlement {
    /// What to tell the broker of a message that was [processed](crate::Inbox::process).
    pub fn of<T, E>(done: &Result<Processed<T>, ProcessError<E>>) -> Self {
        match done {
            Ok(Processed::First(_) | Processed::Duplicate | Processed::Parked)
            | Err(
                ProcessError::Failed {
                    is_parked: true, ..
                }
                | ProcessError::Reused { is_parked: true },
            ) => Self::Ack,
            Ok(Processed::InFlight) => Self::again(1),
            Err(ProcessError::Failed { attempts, .. }) => Self::again(*attempts),
            Err(ProcessError::Reused { .. } | ProcessError::Store(_)) => Self::again(2),
            Err(ProcessError::Unknowable(_)) => Self::again(u32::MAX),
        }
    }

    /// One second after the first failure, then twice as long each time, to five minutes; between
    /// half of that and one and a half times it.
    fn again(failures: u32) -> Self {
        const LONGEST: Duration = Duration::from_secs(300);
        let doubled = failures.saturating_sub(1).min(16);
        let pause = (Duration::from_secs(1) * 2_u32.pow(doubled)).min(LONGEST);
        let after = pause.mul_f64(0.5 + fastrand::f64());
        Self::Retry { after }
    }
}

impl<E: fmt::Display> fmt::Display for Failure<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Returned(error) => error.fmt(f),
            Self::Panicked => f.write_str("the handler panicked"),
            Self::TimedOut => f.write_str("the handler took longer than its timeout"),
            Self::NotCommitted(error) => error.fmt(f),
            Self::Crashed => f.write_str("the worker ended while it handled the message"),
        }
    }
}

impl<E> From<Error> for ProcessError<E> {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl<E> From<InvalidOperation> for ProcessError<E> {
    fn from(_: InvalidOperation) -> Self {
        Self::Unknowable("a consumer's name has 1 to 249 bytes and no control character")
    }
}
