//! The seal on the store's traits: only this crate implements them.
//!
//! The traits of the store are public because public types name them in bounds. They are sealed because
//! their contracts (which statement sees which commit, which error means which fault) cannot be checked
//! by the compiler, and because a new function in them must not be a breaking change.

use std::fmt;

use sqlx::Database;

/// A database that Idem knows, and what Idem keeps in memory for an attempt on it.
pub trait Sealed: Database<Connection: Send> {
    /// The state of an open attempt beside its connection: the name of the guard savepoint, and what
    /// is needed to restore the session or to stop a statement.
    type OpenAttempt: Send + Sync + fmt::Debug;
}
