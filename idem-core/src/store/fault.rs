//! The classes that an error of the database falls into.

/// What an error of the database means for an attempt.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// A deadlock, a serialization failure or a busy database. A retry may succeed.
    Collision,
    /// An earlier statement of the transaction has failed. The transaction cannot commit.
    Aborted,
    /// The guard savepoint does not exist: the transaction is not the one that Idem began.
    GuardLost,
    /// The database is unable to do it now. A retry may succeed later.
    Failed,
    /// The database rejects the statement, as a constraint does. A retry fails again.
    Refused,
    /// The connection is lost or its protocol is broken. The effect of the statement is unknown.
    Unknown,
}
