//! An open attempt on SQLite: its guard savepoint, its hooks and how it ends.
//!
//! A stopped write is rolled back by SQLite with its whole transaction
//! (<https://www.sqlite.org/c3ref/interrupt.html>), so a missing guard after a stop means that
//! nothing is left. Without a stop it means that the handler has ended the transaction.

use std::sync::Arc;

use sqlx::sqlite::{SqliteConnection, SqliteTransactionManager};
use sqlx_core::transaction::TransactionManager;

use super::error::fault;
use super::hooks::Hooks;
use super::statement::run;
use crate::store::fault::Fault;

/// The guard's name, and what the connection's hooks look at.
#[derive(Debug)]
pub struct OpenAttempt {
    pub(super) guard: String,
    pub(super) hooks: Arc<Hooks>,
}

impl OpenAttempt {
    /// Releases the guard. A handler has no settings that storing a record depends on.
    pub(super) async fn release_guard(
        &self,
        conn: &mut SqliteConnection,
        around: &str,
    ) -> sqlx::Result<()> {
        let guard = &self.guard;
        let text = format!("{around} release savepoint {guard}; {around}");
        run(conn, text).await
    }

    /// Undoes every write since the guard, after the handler's statement has stopped.
    ///
    /// The order matters: first wait until the statement has stopped, then allow statements, then
    /// roll back. If they were allowed earlier, the handler's statement would go on; if later, the
    /// rollback itself would be stopped.
    pub(super) async fn roll_back_to_guard(&self, conn: &mut SqliteConnection) -> sqlx::Result<()> {
        let text = format!("rollback to savepoint {}", self.guard);
        if !self.hooks.stops_statements() {
            return run(conn, text).await;
        }
        // The handle is available only when the statement has stopped. The rollback must not be stopped.
        drop(conn.lock_handle().await?);
        self.hooks.allow_statements();
        match run(conn, text).await {
            // SQLite rolls back the whole transaction of a write that is stopped.
            Err(error) if fault(&error) == Fault::GuardLost => Ok(()),
            undone => undone,
        }
    }

    /// Rolls back, then ends the attempt for the hooks.
    ///
    /// The hooks are released last, so no COMMIT of a handler can get in before the rollback.
    pub(super) async fn roll_back(&self, conn: &mut SqliteConnection) -> sqlx::Result<()> {
        SqliteTransactionManager::rollback(conn).await?;
        self.hooks.end_attempt();
        Ok(())
    }
}
