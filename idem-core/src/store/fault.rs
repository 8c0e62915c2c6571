//! The classes that an error of the database falls into.
//!
//! A class says what a caller may do next, not what went wrong. The same error can end in different
//! answers: a lost connection is harmless before the handler runs, a reason to retry before COMMIT, and
//! an unknown outcome at COMMIT. The functions in `error.rs` of this crate make that distinction.
//!
//! | class | before the handler | before COMMIT | at COMMIT |
//! | --- | --- | --- | --- |
//! | `Collision` | asked again, then 503 | rolled back, 503 | rolled back, 503 |
//! | `Aborted` | not available, 503 | rolled back, 500 | rolled back, 500 |
//! | `GuardLost` | not available, 503 | transaction broken, 500 | the same |
//! | `Exists` | – | – | the other attempt's answer |
//! | `Failed` | not available, 503 | rolled back, 500 | rolled back, 500 |
//! | `Refused` | not available, 503 | rolled back, 500, not retryable | the same |
//! | `Unknown` | not available, 503 | rolled back, 503 | looked up |
//!
//! An unknown code must become `Failed` or `Refused` and never `Collision`: a repeated claim is only
//! safe if the database says that it has undone the first.

use super::sealed::Sealed;

/// What an error of the database means for an attempt.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// A deadlock, a serialization failure or a busy database. A retry may succeed.
    Collision,
    /// An earlier statement of the transaction has failed. The transaction cannot commit.
    Aborted,
    /// The guard savepoint does not exist: the transaction is not the one that Idem began.
    GuardLost,
    /// A live record exists. Only a COMMIT that stores the record says so; nothing is committed.
    Exists,
    /// The database is unable to do it now. A retry may succeed later.
    Failed,
    /// The database rejects the statement, as a constraint does. A retry fails again.
    Refused,
    /// The connection is lost or its protocol is broken. The effect of the statement is unknown.
    Unknown,
}

/// Tells what an error of the database means.
#[doc(hidden)]
pub trait Faults: Sealed {
    /// Classifies an error by its SQLSTATE or number, never by its text.
    fn fault(error: &sqlx::Error) -> Fault;

    /// As [`fault`](Self::fault), of an error of COMMIT: [`Fault::Unknown`] more often, where the error does
    /// not say that everything is undone.
    fn commit_fault(error: &sqlx::Error) -> Fault {
        Self::fault(error)
    }
}
