//! The statements about the table of rollout rules, which all nodes read.

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
