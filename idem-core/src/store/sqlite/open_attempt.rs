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

use sqlx::sqlite::{SqliteConnection, SqliteTransactionManager};
use sqlx_core::transaction::TransactionManager;

use super::error::fault;
use super::hooks::Hooks;
use super::records::insert;
use super::statement::run;
use crate::store::fault::Fault;
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
        let text = match &self.guard {
            Some(guard) => format!("{around} release savepoint {guard}; {around}"),
            None => around.to_owned(),
        };
        run(conn, text).await
    }

    /// Proves the transaction by its hooks, without a statement, and stores the record.
    pub(super) async fn store(
        &self,
        conn: &mut SqliteConnection,
        record: Option<&NewRecord<'_>>,
    ) -> Result<Stored, StoreError> {
        let failed = |is_proved| move |error| StoreError { error, is_proved };
        match &self.guard {
            Some(_) => match self.release_guard(conn, "").await {
                Err(error) if fault(&error) == Fault::GuardLost => return Ok(Stored::GuardLost),
                released => released.map_err(failed(false))?,
            },
            None if self.hooks.is_rolled_back() => return Ok(Stored::GuardLost),
            None => {}
        }
        let Some(record) = record else {
            return Ok(Stored::Yes);
        };
        match insert(conn, record).await.map_err(failed(true))? {
            true => Ok(Stored::Yes),
            false => Ok(Stored::Exists),
        }
    }

    /// Whether the transaction is the one that was begun, after the handler's statement has stopped.
    pub(super) async fn is_still_own(&self, conn: &mut SqliteConnection) -> sqlx::Result<bool> {
        if self.guard.is_some() {
            return match self.roll_back_to_guard(conn).await {
                Err(error) if fault(&error) == Fault::GuardLost => Ok(false),
                undone => undone.map(|()| true),
            };
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
        let Some(guard) = &self.guard else {
            // Nothing is undone, so the caller must not go on.
            let no_guard = "the attempt has no savepoint".to_owned();
            return Err(sqlx::Error::Protocol(no_guard));
        };
        let text = format!("rollback to savepoint {guard}");
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
