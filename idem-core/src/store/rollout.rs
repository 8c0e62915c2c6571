//! The table in which all nodes find how much of its work the attribute does.

use futures_util::future::BoxFuture;
use sqlx::Database;

use super::sealed;

/// The rules of a rollout, by operation.
#[doc(hidden)]
pub trait Rollouts: sealed::Sealed + Database {
    /// All rules, as they were written.
    fn rollout(conn: &mut Self::Connection) -> BoxFuture<'_, sqlx::Result<Vec<(String, String)>>>;

    /// Sets the rule of an operation.
    fn set_rollout<'a>(
        conn: &'a mut Self::Connection,
        operation: &'a str,
        rule: &'a str,
    ) -> BoxFuture<'a, sqlx::Result<()>>;

    /// Deletes the rule of an operation.
    fn clear_rollout<'a>(
        conn: &'a mut Self::Connection,
        operation: &'a str,
    ) -> BoxFuture<'a, sqlx::Result<()>>;
}
