//! The seal on the store's traits: only this crate implements them.

use std::fmt;

use sqlx::Database;

/// A database that Idem knows, and what Idem keeps in memory for an attempt on it.
pub trait Sealed: Database<Connection: Send> {
    /// The state of an open attempt beside its connection: the name of the guard savepoint, and what
    /// is needed to restore the session or to stop a statement.
    type OpenAttempt: Send + Sync + fmt::Debug;
}
