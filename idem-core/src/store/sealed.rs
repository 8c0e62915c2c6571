//! The seal on the store's traits: only this crate implements them.
//!
//! The traits of the store are public because public types name them in bounds. They are sealed because
//! their contracts (which statement sees which commit, which error means which fault) cannot be checked
//! by the compiler, and because a new function in them must not be a breaking change.

use std::fmt;

use sqlx::pool::PoolConnection;
use sqlx::{Database, Transaction};

/// A database that Idem knows, and what Idem keeps in memory for an attempt on it.
pub trait Sealed: Database<Connection: Send + LendConnection<Self>> {
    /// The state of an open attempt beside its connection: the name of the guard savepoint, and what
    /// is needed to restore the session or to stop a statement.
    type OpenAttempt: Send + Sync + fmt::Debug;
}

/// Where a connection can be borrowed from: itself, a transaction, a connection of a pool.
#[diagnostic::on_unimplemented(
    message = "`{Self}` lends no connection of `{DB}`",
    label = "expected a connection, a `Transaction` or a `PoolConnection`"
)]
pub trait LendConnection<DB: Database> {
    /// The connection.
    fn lend(&mut self) -> &mut DB::Connection;
}

impl<DB: Sealed> LendConnection<DB> for Transaction<'_, DB> {
    fn lend(&mut self) -> &mut DB::Connection {
        self
    }
}

impl<DB: Sealed> LendConnection<DB> for PoolConnection<DB> {
    fn lend(&mut self) -> &mut DB::Connection {
        self
    }
}

#[cfg(feature = "postgres")]
impl LendConnection<sqlx::Postgres> for sqlx::PgConnection {
    fn lend(&mut self) -> &mut Self {
        self
    }
}

#[cfg(feature = "mysql")]
impl LendConnection<sqlx::MySql> for sqlx::MySqlConnection {
    fn lend(&mut self) -> &mut Self {
        self
    }
}

#[cfg(feature = "sqlite")]
impl LendConnection<sqlx::Sqlite> for sqlx::SqliteConnection {
    fn lend(&mut self) -> &mut Self {
        self
    }
}
