//! The statements about the table of rollout rules, which all nodes read.
//!
//! The table has one row for each operation, and one named `*` for all others. Each node reads the whole
//! table after each period, so the table must stay small, and a rule takes effect on different nodes at
//! different times. An attempt keeps the mode in which it began, so a change never meets one half-way.
//!
//! Rules are stored as text and parsed by the reader: a node of an older build logs a rule that it does
//! not understand and keeps its own, instead of failing.

use futures_util::future::BoxFuture;

use super::sealed::Sealed;

/// The rules of a rollout, by operation.
#[doc(hidden)]
pub trait RolloutStore: Sealed {
    /// Reads all rules: pairs of operation and rule, as they were written.
    ///
    /// It reads what is committed, and holds nothing afterwards.
    ///
    /// # Errors
    ///
    /// Any error of the database.
    fn rollout_rules(
        conn: &mut Self::Connection,
    ) -> BoxFuture<'_, sqlx::Result<Vec<(String, String)>>>;

    /// Sets the rule of an operation, and commits.
    ///
    /// # Errors
    ///
    /// Any error of the database; the rule is as it was then.
    fn set_rollout_rule<'a>(
        conn: &'a mut Self::Connection,
        operation: &'a str,
        rule: &'a str,
    ) -> BoxFuture<'a, sqlx::Result<()>>;

    /// Deletes the rule of an operation, if there is one, and commits.
    ///
    /// # Errors
    ///
    /// Any error of the database; the rule is as it was then.
    fn delete_rollout_rule<'a>(
        conn: &'a mut Self::Connection,
        operation: &'a str,
    ) -> BoxFuture<'a, sqlx::Result<()>>;
}
