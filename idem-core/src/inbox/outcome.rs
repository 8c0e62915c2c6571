//! The outcome of a delivery, and what to tell the broker.
//!
//! Three levels answer three questions. [`Processed`] and [`ProcessError`] say what happened to
//! this delivery, [`Failure`] says why an attempt failed, and [`Settlement`] says what to tell the
//! broker. The last is a function of the first two, so that no consumer has to know which outcomes
//! may be acknowledged: a wrong acknowledgement loses the message.

use std::fmt;
use std::time::Duration;

use crate::{Error, InvalidOperation};

/// The outcome of a delivery that did not fail.
///
/// A consumer can treat all four alike and ask [`Settlement::of`] what to tell the broker. It needs
/// the outcome itself only to do something after the commit, such as to notify a waiting user.
///
/// # Examples
///
/// ```
/// use idem_core::Processed;
///
/// fn log(processed: &Processed<u64>) -> String {
///     match processed {
///         Processed::First(invoice) => format!("invoice {invoice} is written"),
///         Processed::Duplicate => "it was handled before".to_owned(),
///         Processed::InFlight => "another worker handles it".to_owned(),
///         Processed::Parked => "it is a dead letter".to_owned(),
///     }
/// }
/// assert_eq!(log(&Processed::First(17)), "invoice 17 is written");
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a consumer must treat each of the four"
)]
pub enum Processed<T> {
    /// The message was handled for the first time, with this result, and is committed.
    First(T),
    /// The message was handled before. Nothing ran.
    Duplicate,
    /// Another worker handles the message, or its attempt is just ending. Nothing ran. Ask for
    /// redelivery.
    InFlight,
    /// The message is a dead letter. Nothing ran.
    Parked,
}

/// The outcome of a delivery that failed.
///
/// # Examples
///
/// ```
/// use idem_core::ProcessError;
///
/// fn alert(error: &ProcessError<String>) -> Option<String> {
///     match error {
///         ProcessError::Failed { is_parked: true, attempts, failure } => {
///             Some(format!("given up after {attempts} attempts: {failure}"))
///         }
///         ProcessError::Failed { .. } => None, // the broker delivers it again
///         ProcessError::Reused { .. } => Some("a producer reuses ids".to_owned()),
///         ProcessError::Unknowable(why) => Some(format!("no usable id: {why}")),
///         // The database is down, or the attempt collided: the message itself is fine.
///         _ => None,
///     }
/// }
/// assert!(alert(&ProcessError::Reused { is_parked: true }).is_some());
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessError<E> {
    /// The attempt failed. Its writes were rolled back.
    #[error("{failure}")]
    Failed {
        /// How the attempt failed.
        failure: Failure<E>,
        /// The number of failed attempts, including this one; 0 if it could not be counted.
        attempts: u32,
        /// Whether the message is a dead letter now. Acknowledge it then.
        is_parked: bool,
    },
    /// The id was used for a message with other content. Nothing ran.
    #[error("the message id was used for other content")]
    Reused {
        /// Whether the message is a dead letter now. Acknowledge it then.
        is_parked: bool,
    },
    /// Idem's own statements failed, not the message, so the attempt is not counted. Nothing was
    /// kept, except perhaps after [`Error::OutcomeUnknown`].
    #[error(transparent)]
    Store(Error),
    /// The message has no id, or the consumer's name cannot be stored. Nothing ran.
    #[error("the message has no usable id: {0}")]
    Unknowable(&'static str),
}

/// How an attempt at a message failed.
///
/// Its `Display` form is the text that a [`DeadLetter`](crate::DeadLetter) keeps.
///
/// # Examples
///
/// ```
/// use idem_core::Failure;
///
/// assert_eq!(Failure::Returned("no such customer").to_string(), "no such customer");
/// assert_eq!(Failure::<String>::Panicked.to_string(), "the handler panicked");
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Failure<E> {
    /// The handler returned this error.
    Returned(E),
    /// The handler panicked.
    Panicked,
    /// The handler took longer than the policy's timeout.
    TimedOut,
    /// The transaction could not be committed, or the handler ended it itself.
    NotCommitted(Error),
    /// Earlier attempts ended with their worker, and there were as many as the policy allows.
    /// Nothing ran.
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
///
/// # Examples
///
/// ```
/// # use idem_core::{ProcessError, Processed};
/// # struct Delivery;
/// # impl Delivery { async fn ack(&self) {} async fn nack(&self, _: std::time::Duration) {} }
/// use idem_core::Settlement;
///
/// async fn settle<T, E>(delivery: Delivery, done: &Result<Processed<T>, ProcessError<E>>) {
///     match Settlement::of(done) {
///         Settlement::Ack => delivery.ack().await,
///         Settlement::Retry { after } => delivery.nack(after).await,
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "there are only these two")]
pub enum Settlement {
    /// Acknowledge the message: it is handled, or parked.
    Ack,
    /// Ask for redelivery after this time.
    Retry {
        /// How long to wait: longer after each failure, with a random part.
        after: Duration,
    },
}

impl Settlement {
    /// Decides what to tell the broker after [`Inbox::process`](crate::Inbox::process).
    ///
    /// Acknowledged are messages that are handled or parked. All others are to be delivered again:
    /// failed ones later after each failure, from about one second to about five minutes.
    ///
    /// # Examples
    ///
    /// ```
    /// use idem_core::{ProcessError, Processed, Settlement};
    ///
    /// let first: Result<_, ProcessError<String>> = Ok(Processed::First(17));
    /// assert_eq!(Settlement::of(&first), Settlement::Ack);
    /// let in_flight: Result<Processed<u64>, ProcessError<String>> = Ok(Processed::InFlight);
    /// assert!(matches!(Settlement::of(&in_flight), Settlement::Retry { .. }));
    /// ```
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

    /// One second after the first failure, doubled after each further one, up to five minutes;
    /// times a random factor from 0.5 to 1.5.
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
