//! An open attempt on SQLite: its hooks, perhaps a guard savepoint, and how it ends.
//!
//! A handler cannot commit: the hooks reject that, and SQLite then rolls back. So a transaction that was
//! never rolled back is the one that was begun. A savepoint is set where the writes may have to be undone
//! while the transaction goes on, and where no hooks are set.
//!
//! A stopped write is rolled back by SQLite with its whole transaction
//! (<https://www.sqlite.org/c3ref/interrupt.html>), so a missing guard after a stop means that
//! nothing is left. Without a stop it means that the handler has ended the transaction.

use std::sync::Arc;

use sqlx::Sqlite;
use sqlx::sqlite::{SqliteConnection, SqliteTransactionManager};
use sqlx_core::transaction::TransactionManager;

use super::error::fault;
use super::hooks::Hooks;
use super::statement::run;
use crate::store::fault::Fault;
use crate::store::guard::{has_guard, insert_proved, store_behind_guard};
use crate::store::records::{NewRecord, StoreError, Stored};

/// The guard's name, and what the connection's hooks look at.
#[derive(Debug)]
pub struct OpenAttempt {
    /// The savepoint to which the writes can be rolled back.
    pub(super) guard: Option<String>,
    pub(super) hooks: Arc<Hooks>,
}

impl OpenAttempt {
    /// Releases the guard. A handler has no settings that storing a record depends on.
    pub(super) async fn release_guard(
        &self,
        conn: &mut SqliteConnection,
        around: &str,
    ) -> sqlx::Result<()> {
        let guard = self.guard()?;
        let text = format!("{around} release savepoint {guard}; {around}");
        run(conn, text).await
    }

    /// The savepoint, for a caller that cannot go on without.
    fn guard(&self) -> sqlx::Result<&str> {
        let guard = self.guard.as_deref();
        guard.ok_or_else(|| sqlx::Error::Protocol("the attempt has no savepoint".to_owned()))
    }

    /// Stores the record. Without a savepoint the hooks prove the transaction, and no statement does.
    pub(super) async fn store(
        &self,
        conn: &mut SqliteConnection,
        record: Option<&NewRecord<'_>>,
    ) -> Result<Stored, StoreError> {
        if self.guard.is_none() {
            return match self.hooks.is_rolled_back() {
                true => Ok(Stored::GuardLost),
                false => insert_proved::<Sqlite>(conn, self, record).await,
            };
        }
        store_behind_guard::<Sqlite>(conn, self, record).await
    }

    /// Whether the transaction is the one that was begun, after the handler's statement has stopped.
    pub(super) async fn is_still_own(&self, conn: &mut SqliteConnection) -> sqlx::Result<bool> {
        if self.guard.is_some() {
            return has_guard::<Sqlite>(conn, self).await;
        }
        if self.hooks.stops_statements() {
            // The handle is available only when the statement has stopped. The rollback must not be stopped.
            drop(conn.lock_handle().await?);
            self.hooks.allow_statements();
            // SQLite rolls back the whole transaction of a write that is stopped.
            return Ok(true);
        }
        Ok(!self.hooks.is_rolled_back())
    }

    /// Undoes every write since the guard, after the handler's statement has stopped.
    ///
    /// The order matters: first wait until the statement has stopped, then allow statements, then
    /// roll back. If they were allowed earlier, the handler's statement would go on; if later, the
    /// rollback itself would be stopped.
    pub(super) async fn roll_back_to_guard(&self, conn: &mut SqliteConnection) -> sqlx::Result<()> {
        let text = format!("rollback to savepoint {}", self.guard()?);
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
