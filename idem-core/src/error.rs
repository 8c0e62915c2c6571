//! The errors: why an attempt could not run or could not be completed.
//!
//! The same fault of the database is another error at each step: see the functions at the end.
//! Before the handler a failure means that nothing ran. After it, that its writes are rolled back.
//! At COMMIT an answer that is missing means that nobody knows.

use std::time::Duration;

use crate::store::{Backend, Fault};

/// A failure of the database, of the node, or of the handler's use of its transaction.
///
/// A duplicate is not an error: see [`Claim`](crate::Claim). Each text describes its own level
/// only; the database's message is in [`source`](std::error::Error::source).
///
/// Which errors to retry with the same key:
///
/// * Retry after a pause, nothing ran or everything was rolled back:
///   [`Unavailable`](Self::Unavailable), [`ReadOnly`](Self::ReadOnly),
///   [`Overloaded`](Self::Overloaded), [`ShuttingDown`](Self::ShuttingDown),
///   [`TimedOut`](Self::TimedOut) and [`TryAgain`](Self::TryAgain).
/// * Retry to learn the outcome: [`OutcomeUnknown`](Self::OutcomeUnknown). If the record was
///   committed, the retry gets a replay; if not, it runs.
/// * Correct the handler first: [`NotCommitted`](Self::NotCommitted) was rolled back, and
///   [`TransactionBroken`](Self::TransactionBroken) never runs again.
/// * Let a person decide: after [`NotRecorded`](Self::NotRecorded) a retry may repeat the work, and
///   after [`AnswerRefused`](Self::AnswerRefused) it gets this same error again.
/// * Retry on a node with a newer build: [`Unreadable`](Self::Unreadable).
///
/// `idem-axum` makes a response of each, with a problem type and `Retry-After`. A consumer of
/// messages asks [`Settlement::of`](crate::Settlement::of).
///
/// # Examples
///
/// ```
/// use idem_core::Error;
///
/// fn may_retry(error: &Error) -> bool {
///     matches!(
///         error,
///         Error::Unavailable(_)
///             | Error::ReadOnly
///             | Error::Overloaded
///             | Error::ShuttingDown
///             | Error::TimedOut
///             | Error::TryAgain(_)
///             | Error::OutcomeUnknown
///             | Error::Unreadable
///     )
/// }
/// assert!(may_retry(&Error::TryAgain(None)));
/// assert!(!may_retry(&Error::NotRecorded));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The database cannot be reached, or lacks Idem's tables. Nothing ran.
    #[error("the idempotency store is not available")]
    Unavailable(#[source] sqlx::Error),
    /// The database accepts no writes, such as a standby. Nothing ran, and nothing is replayed.
    #[error("the idempotency store is read-only")]
    ReadOnly,
    /// More attempts run, or more duplicates wait, than the handle allows. Nothing ran.
    #[error("too many attempts run or wait on this node")]
    Overloaded,
    /// [`Idempotency::shutdown`](crate::Idempotency::shutdown) has begun. Nothing ran.
    #[error("this node is shutting down")]
    ShuttingDown,
    /// The attempt took longer than its timeout. Its writes were rolled back.
    #[error("the attempt took longer than its timeout")]
    TimedOut,
    /// A deadlock, a serialization failure, or a lost race. The writes were rolled back.
    #[error("the attempt collided with another one")]
    TryAgain(#[source] Option<sqlx::Error>),
    /// COMMIT was not acknowledged, and its outcome could not be looked up in time. A retry finds
    /// it out.
    #[error("the connection broke during COMMIT and the outcome is not known yet")]
    OutcomeUnknown,
    /// The transaction could not be committed. The writes were rolled back.
    #[error("the transaction could not be committed: {reason}")]
    NotCommitted {
        /// Why it could not be committed.
        reason: &'static str,
        /// Whether a retry must fail in the same way, for example because of a constraint.
        is_refused: bool,
        /// The database's error, if there is one.
        source: Option<sqlx::Error>,
    },
    /// The handler ended Idem's transaction itself. Which of its writes survived is unknown.
    ///
    /// A terminal record is stored: a retry gets the same response and never runs.
    #[error("the handler ended the transaction itself (COMMIT, ROLLBACK or DDL)")]
    TransactionBroken,
    /// A record exists that this node cannot read or compare. The handler did not run.
    ///
    /// A newer build wrote it, its encryption key is missing here, or its row was changed.
    #[error(
        "the record cannot be read: its format or fingerprint version is newer than this build, its \
         encryption key is missing here, or its row was changed"
    )]
    Unreadable,
    /// The work was done without a transaction, and its record could not be stored in time. A retry
    /// may repeat the work.
    #[error("the work was done but not recorded")]
    NotRecorded,
    /// The work was done without a transaction and is recorded, but the database refuses to store
    /// its response. A retry gets the same error and never runs.
    #[error("the work was done and recorded, but its response cannot be stored")]
    AnswerRefused,
}

/// [`Idempotency::migrate`](crate::Idempotency::migrate) could not create or update Idem's tables.
///
/// The database's message is in [`source`](std::error::Error::source).
#[derive(Debug, thiserror::Error)]
#[error("Idem's tables could not be created or updated")]
pub struct MigrateError(#[from] sqlx::migrate::MigrateError);

/// The result of [`Idempotency::check`](crate::Idempotency::check), if the database is not ready.
///
/// # Examples
///
/// ```no_run
/// # async fn start(idem: idem_core::Idempotency<sqlx::Sqlite>) {
/// use idem_core::CheckError;
///
/// if let Err(CheckError::NotReady(missing)) = idem.check().await {
///     for line in missing {
///         eprintln!("{line}");
///     }
/// }
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// The database cannot be reached.
    #[error("cannot ask the database about Idem's tables")]
    Unavailable(#[from] sqlx::Error),
    /// Tables, columns or grants are missing. Each line names one, and its cure.
    #[error("the database is not ready for Idem: {}", .0.join("; "))]
    NotReady(Vec<String>),
}

/// [`Idempotency::shutdown`](crate::Idempotency::shutdown) waited as long as it may, and attempts
/// still run.
///
/// They are rolled back when the process ends, and their keys are free.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("{running} attempts were still running after {waited:?}")]
pub struct ShutdownTimedOut {
    /// The number of attempts that still run.
    pub running: usize,
    /// How long the shutdown waited.
    pub waited: Duration,
}

/// A reference is empty, longer than 255 bytes, or contains a NUL.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a reference has 1 to 255 bytes and no NUL")]
pub struct InvalidReference;

/// The error of a statement before the handler ran.
pub(crate) fn claim_error<DB: Backend>(error: sqlx::Error) -> Error {
    match DB::fault(&error) {
        Fault::Collision => Error::TryAgain(Some(error)),
        _ => Error::Unavailable(error),
    }
}

/// The error of a statement after the handler ran and before COMMIT.
pub(crate) fn record_error<DB: Backend>(error: sqlx::Error) -> Error {
    let fault = DB::fault(&error);
    let reason = match fault {
        Fault::Collision | Fault::Exists | Fault::Unknown => {
            return Error::TryAgain(Some(error));
        }
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

/// The error of a statement about the guard savepoint.
pub(crate) fn guard_error<DB: Backend>(error: sqlx::Error) -> Error {
    match DB::fault(&error) {
        Fault::GuardLost => Error::TransactionBroken,
        _ => record_error::<DB>(error),
    }
}

/// The error of COMMIT. [`Error::OutcomeUnknown`]: there was no acknowledgement.
pub(crate) fn commit_error<DB: Backend>(error: sqlx::Error) -> Error {
    match DB::commit_fault(&error) {
        Fault::Unknown => Error::OutcomeUnknown,
        Fault::Collision | Fault::Exists => Error::TryAgain(Some(error)),
        Fault::GuardLost => Error::TransactionBroken,
        fault @ (Fault::Aborted | Fault::Failed | Fault::Refused) => Error::NotCommitted {
            reason: "the database refused the COMMIT",
            is_refused: fault == Fault::Refused,
            source: Some(error),
        },
    }
}
