//! The outcome of one message of a batch.
//!
//! An outcome has no value and no error text, unlike that of a single message: a batch keeps one
//! for each message, and its caller has seen the values in its loop.

use crate::Error;
use crate::inbox::failure::Counted;
use crate::inbox::outcome::{Failure, ProcessError, Processed, Settlement};

/// The outcome of one message of a [`Batch`](crate::Batch).
///
/// # Examples
///
/// ```
/// use idem_core::{MessageOutcome, Settlement};
///
/// assert_eq!(MessageOutcome::Duplicate.settlement(), Settlement::Ack);
/// let failed = MessageOutcome::Failed { attempts: 1, is_parked: false };
/// assert!(matches!(failed.settlement(), Settlement::Retry { .. }));
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a consumer must treat each of the seven"
)]
pub enum MessageOutcome {
    /// The message was handled for the first time, and is committed.
    First,
    /// The message was handled before, or is a copy of another one in the batch.
    Duplicate,
    /// Another worker handles the message, or the batch did not reach it. Nothing of it is kept.
    InFlight,
    /// The message was a dead letter. Nothing ran.
    Parked,
    /// The message failed. Its writes were rolled back.
    Failed {
        /// The number of failed attempts, including this one; 0 if it could not be counted.
        attempts: u32,
        /// Whether the message is a dead letter now.
        is_parked: bool,
    },
    /// The id was used for a message with other content. Nothing ran.
    Reused {
        /// Whether the message is a dead letter now.
        is_parked: bool,
    },
    /// The message has no id. Nothing ran.
    Unknowable,
}

impl From<Counted> for MessageOutcome {
    fn from(counted: Counted) -> Self {
        Self::Failed {
            attempts: counted.attempts,
            is_parked: counted.is_parked,
        }
    }
}

impl MessageOutcome {
    /// Decides what to tell the broker, as [`Settlement::of`] does for a single message.
    pub fn settlement(self) -> Settlement {
        Settlement::of(&match self {
            Self::First => Ok(Processed::First(())),
            Self::Duplicate => Ok(Processed::Duplicate),
            Self::InFlight => Ok(Processed::InFlight),
            Self::Parked => Ok(Processed::Parked),
            Self::Failed {
                attempts,
                is_parked,
            } => Err(ProcessError::Failed {
                failure: Failure::Returned(()),
                attempts,
                is_parked,
            }),
            Self::Reused { is_parked } => Err(ProcessError::Reused { is_parked }),
            Self::Unknowable => Err(ProcessError::Unknowable("")),
        })
    }

    /// The word for it in metrics.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Duplicate => "duplicate",
            Self::InFlight => "in_flight",
            Self::Parked => "parked",
            Self::Failed { .. } => "failed",
            Self::Reused { .. } => "reused",
            Self::Unknowable => "unknowable",
        }
    }

    /// The outcome of a message in its own transaction. An error of the database ends the batch.
    pub(super) fn of_error<E>(error: ProcessError<E>) -> Result<Self, Error> {
        match error {
            ProcessError::Failed {
                attempts,
                is_parked,
                ..
            } => Ok(Self::Failed {
                attempts,
                is_parked,
            }),
            ProcessError::Reused { is_parked } => Ok(Self::Reused { is_parked }),
            ProcessError::Unknowable(_) => Ok(Self::Unknowable),
            // A newer build has written the record that this one cannot read, and may handle it.
            ProcessError::Store(Error::TryAgain(_) | Error::OutcomeUnknown | Error::Unreadable) => {
                Ok(Self::InFlight)
            }
            ProcessError::Store(error) => Err(error),
        }
    }
}

impl From<Processed<()>> for MessageOutcome {
    fn from(processed: Processed<()>) -> Self {
        match processed {
            Processed::First(()) => Self::First,
            Processed::Duplicate => Self::Duplicate,
            Processed::InFlight => Self::InFlight,
            Processed::Parked => Self::Parked,
        }
    }
}
