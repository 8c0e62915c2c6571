//! Why an attempt could not be carried through.

use std::time::Duration;

use crate::store::{Backend, Fault};

/// A failure of the store, of the world, or of the handler's use of its transaction.
///
/// A duplicate is not an error: see [`Claim`](crate::Claim). Each text is about its own level;
/// the database's words are in [`source`](std::error::Error::source).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The database cannot be reached, or lacks Idem's tables; nothing ran.
    #[error("the idempotency store is not available")]
    Unavailable(#[source] sqlx::Error),
    /// The database takes no writes, as a standby does; nothing ran, and nothing is replayed.
    #[error("the idempotency store is read-only")]
    ReadOnly,
    /// More attempts run, or more duplicates wait, than the handle allows; nothing ran.
    #[error("too many attempts run or wait on this node")]
    Overloaded,
    /// [`Idempotency::shutdown`](crate::Idempotency::shutdown) has begun; nothing ran.
    #[error("this node is shutting down")]
    ShuttingDown,
    /// The attempt's time was over; its writes were rolled back.
    #[error("the attempt took longer than its timeout")]
    TimedOut,
    /// A deadlock, a serialization failure, or a lost race; the writes were rolled back.
    #[error("the attempt collided with another one")]
    TryAgain(#[source] Option<sqlx::Error>),
    /// Whether COMMIT took effect could not be found out in time; a retry finds out.
    #[error("the connection broke during COMMIT and the outcome is not known yet")]
    OutcomeUnknown,
    /// The transaction could not be committed; the writes were rolled back.
    #[error("the transaction could not be committed: {reason}")]
    NotCommitted {
        /// What stood in the way.
        reason: &'static str,
        /// Whether the same attempt must fail again, as where a constraint refused it.
        is_refused: bool,
        /// The database's answer, if it had one.
        source: Option<sqlx::Error>,
    },
    /// The handler ended Idem's transaction itself, so what of its writes survived is unknown.
    ///
    /// A terminal record is stored, so that a retry is told the same and never runs.
    #[error("the handler ended the transaction itself (COMMIT, ROLLBACK or DDL)")]
    TransactionBroken,
    /// A record exists that this build cannot read or compare; the handler did not run.
    #[error("the record has a format or fingerprint version this build does not know")]
    Unreadable,
    /// The work was done without a transaction, and its record could not be stored in time: a retry
    /// may do it again.
    #[error("the work was done and could not be recorded")]
    NotRecorded,
    /// The work was done without a transaction and is recorded, but not its answer, which the
    /// database refuses to store. A retry is told the same and never runs.
    #[error("the work was done and recorded, but its answer cannot be stored")]
    AnswerRefused,
}

/// The schema could not be brought up to date.
#[derive(Debug, thiserror::Error)]
#[error("Idem's tables could not be created or updated")]
pub struct MigrateError(#[from] sqlx::migrate::MigrateError);

/// What [`Idempotency::check`](crate::Idempotency::check) found wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// The database could not be asked.
    #[error("the database cannot be asked about Idem's tables")]
    Unavailable(#[from] sqlx::Error),
    /// Tables, columns or grants are missing; each line says one and its cure.
    #[error("the database is not ready for Idem: {}", .0.join("; "))]
    NotReady(Vec<String>),
}

/// Attempts were still running when the time for a shutdown was over.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("{running} attempts were still running after {waited:?}")]
pub struct ShutdownTimedOut {
    /// How many attempts were left.
    pub running: usize,
    /// How long the shutdown waited.
    pub waited: Duration,
}

/// A reference over 255 bytes, or with a NUL in it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a reference has 1 to 255 bytes and no NUL")]
pub struct InvalidReference;

/// An error before the handler ran.
pub(crate) fn claim_error<DB: Backend>(error: sqlx::Error) -> Error {
    match DB::fault(&error) {
        Fault::Collision => Error::TryAgain(Some(error)),
        _ => Error::Unavailable(error),
    }
}

/// An error of a statement after the handler ran and before COMMIT.
pub(crate) fn record_error<DB: Backend>(error: sqlx::Error) -> Error {
    let fault = DB::fault(&error);
    let reason = match fault {
        Fault::Collision | Fault::Unknown => return Error::TryAgain(Some(error)),
        Fault::Aborted => "a statement had failed and the handler went on",
        Fault::GuardLost | Fault::Failed | Fault::Refused => {
            "the database refused to store the record"
        }
    };
    Error::NotCommitted {
        reason,
        is_refused: fault == Fault::Refused,
        source: Some(error),
    }
}

/// An error of a statement about the guard savepoint.
pub(crate) fn guard_error<DB: Backend>(error: sqlx::Error) -> Error {
    match DB::fault(&error) {
        Fault::GuardLost => Error::TransactionBroken,
        _ => record_error::<DB>(error),
    }
}

/// An error of COMMIT. [`Error::OutcomeUnknown`]: the database has not answered.
pub(crate) fn commit_error<DB: Backend>(error: sqlx::Error) -> Error {
    match DB::fault(&error) {
        Fault::Unknown => Error::OutcomeUnknown,
        Fault::Collision => Error::TryAgain(Some(error)),
        fault @ (Fault::Aborted | Fault::GuardLost | Fault::Failed | Fault::Refused) => {
            Error::NotCommitted {
                reason: "the database refused the COMMIT",
                is_refused: fault == Fault::Refused,
                source: Some(error),
            }
        }
    }
}
