//! What became of one message of a batch.

use crate::Error;
use crate::inbox::failure::Counted;
use crate::inbox::outcome::{Failure, ProcessError, Processed, Settlement};

/// What became of one message of a [`Batch`](crate::Batch).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a consumer must treat each of the seven"
)]
pub enum MessageOutcome {
    /// It has been handled for the first time, and is committed.
    First,
    /// It had been handled before, or is a copy of one in the batch.
    Duplicate,
    /// Another worker handles it right now, or it was not reached; nothing of it is kept.
    InFlight,
    /// It lay among the dead letters.
    Parked,
    /// It failed, and what was written for it was rolled back.
    Failed {
        /// How many attempts have failed, this one included; 0 if it could not be counted.
        attempts: u32,
        /// It is parked now.
        is_parked: bool,
    },
    /// Its id had been used for a message with other content.
    Reused {
        /// It is parked now.
        is_parked: bool,
    },
    /// It has no id, so nothing ran.
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
    /// What to tell the broker.
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

    /// The outcome of a message that went alone. What spoils every message is an error of all.
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
            // A record that this build cannot read is of a newer one, which may handle it.
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
