//! An open attempt on MariaDB or MySQL: its guard savepoint, its session and how it ends.
//!
//! The end of an attempt has two orders. After success the guard is released and COMMIT is sent, and the
//! response goes to the client; then the lock is released and the session restored, on a task of its own.
//! After a failure the rollback, the release and the restoration are one message before the client
//! gets its answer, so that a retry at once finds the key free.
//!
//! If restoring fails, the connection is closed: the server then releases the lock, and no other
//! user of the pool gets a session with `autocommit = 0`.

use std::time::Duration;

use sqlx::mysql::{MySqlConnection, MySqlTransactionManager};
use sqlx::{AssertSqlSafe, MySql, MySqlPool};
use sqlx_core::transaction::TransactionManager;

use super::error::{NO_SUCH_THREAD, STATEMENT_TIMED_OUT, number};
use super::limits::{SAVED_LIMITS, limits};
use super::name::lock_of;
use super::records;
use super::savepoint::{SavepointOutcome, run_unless_rolled_back};
use super::statement::{COMMIT, ROLLBACK, run};
use crate::model::policy::Isolation;
use crate::store::guard::store_behind_guard;
use crate::store::records::{NewRecord, StoreError, Stored};

/// The guard's name, what of the session is restored, and the connection whose statement is stopped.
#[derive(Debug)]
pub struct OpenAttempt {
    pub(super) guard: String,
    /// The database that the session was in.
    pub(super) database: Option<String>,
    /// The number of the connection that runs the attempt's statements.
    pub(super) connection: u64,
    pub(super) timeout: Duration,
    pub(super) isolation: Isolation,
    /// The attempt is at a message whose earlier failures are counted.
    pub(super) has_failed: bool,
    /// COMMIT must be the only statement of its message.
    pub(super) commits_alone: bool,
    /// Another member of a group may end the transaction.
    pub(super) in_group: bool,
    /// Whether `@idem_lock` names a lock of the session.
    pub(super) locked: bool,
    /// The ids of the locks of a batch of messages.
    pub(super) locks: Vec<i64>,
}

impl OpenAttempt {
    /// Releases the guard and restores the database and the time limits.
    ///
    /// The database and the limits are set first, so that the record's table is found after a
    /// handler's `use`. The release follows, and its error says that the guard is gone.
    pub(super) async fn release_guard(
        &self,
        conn: &mut MySqlConnection,
        around: &str,
    ) -> sqlx::Result<()> {
        run(conn, self.release_guard_text(around)).await
    }

    /// A handler may have changed the database, or set shorter limits for itself.
    ///
    /// The server rejects an empty statement, so no `;` follows the last one.
    fn release_guard_text(&self, around: &str) -> String {
        let text = format!(
            "{around} {}set {}; release savepoint {}; {around}",
            self.use_database(),
            limits(self.timeout, &SAVED_LIMITS),
            self.guard
        );
        text.trim().trim_end_matches(';').to_owned()
    }

    /// Stores the record, and leaves it to the COMMIT to prove the transaction.
    ///
    /// That saves a message, and needs a session that is as the claim has left it. If the handler has
    /// changed it, or another statement follows, the guard is released first. A record that is written
    /// outside of the transaction that Idem began is not committed, since `autocommit` is off.
    pub(super) async fn store(
        &self,
        conn: &mut MySqlConnection,
        record: Option<&NewRecord<'_>>,
    ) -> Result<Stored, StoreError> {
        if let (Some(record), Some(database), false) = (record, &self.database, self.has_failed) {
            match records::insert_if_unchanged(conn, database, record).await {
                Ok(Some(true)) => return Ok(Stored::Unproved),
                Ok(Some(false)) => return Ok(Stored::Exists { is_proved: false }),
                Ok(None) => {}
                Err(error) if number(&error) == Some(STATEMENT_TIMED_OUT) => {}
                Err(error) => {
                    let is_proved = false;
                    return Err(StoreError { error, is_proved });
                }
            }
        }
        store_behind_guard::<MySql>(conn, self, record).await
    }

    /// Releases the guard and commits, in one message if the server allows it.
    ///
    /// A text ends at its first failing statement, so a lost guard commits nothing.
    pub(super) async fn commit_if_own(&self, conn: &mut MySqlConnection) -> sqlx::Result<()> {
        let release = format!("release savepoint {}", self.guard);
        if self.commits_alone {
            run(conn, release).await?;
            return MySqlTransactionManager::commit(conn).await;
        }
        run(conn, format!("{release}; {COMMIT}")).await?;
        // SQLx lowers its depth by a statement of its own alone. This ROLLBACK is sent with the next one.
        MySqlTransactionManager::start_rollback(conn);
        Ok(())
    }

    /// Undoes every write since the guard. A transaction that the server has rolled back is begun again.
    ///
    /// A deadlock's victim has lost its writes and its guard, but not its lock, which is the
    /// session's. So nothing of the handler survives, and the attempt can go on in a new
    /// transaction to store its failure.
    pub(super) async fn roll_back_to_guard(&self, conn: &mut MySqlConnection) -> sqlx::Result<()> {
        let text = format!("rollback to savepoint {}", self.guard);
        match run_unless_rolled_back(conn, &text).await? {
            SavepointOutcome::Done => Ok(()),
            SavepointOutcome::RolledBackBefore => run(conn, self.begin_again_text()).await,
        }
    }

    fn begin_again_text(&self) -> String {
        format!("{ROLLBACK}; {}", self.start_text())
    }

    /// Starts the transaction and sets its guard.
    ///
    /// In a group it first touches a table, without a snapshot: `InnoDB` then knows the guard. A member that
    /// ends this transaction for another's leaves the session unaware of that, and MySQL answers its next
    /// statement with 1213, but begins a new transaction if that is `savepoint`. The session
    /// still has the guard then; only `InnoDB` knows that it is gone, and refuses its release with 1030.
    pub(super) fn start_text(&self) -> String {
        let touch = match (&self.database, self.in_group) {
            (Some(name), true) => {
                let name = name.replace('`', "``");
                format!("do exists(select 1 from `{name}`.idem_record where false); ")
            }
            _ => String::new(),
        };
        format!("start transaction; {touch}savepoint {}", self.guard)
    }

    /// Releases the locks and restores the session.
    ///
    /// The locks of a batch are released before the settings, in the same message. `@idem_lock` is
    /// overwritten with the result of the release, so that a stale name is never released twice.
    pub(super) async fn restore_session(&self, conn: &mut MySqlConnection) -> sqlx::Result<()> {
        run(conn, self.restore_session_text()).await
    }

    fn restore_session_text(&self) -> String {
        let unlock = if self.locked {
            "@idem_lock = release_lock(@idem_lock), "
        } else {
            ""
        };
        let unlock_all = match self.locks.as_slice() {
            [] => String::new(),
            locks => {
                let locks = locks.iter().map(|lock| lock_of(&format!("'{lock}'")));
                let unlock = locks.map(|lock| format!("release_lock({lock})"));
                format!("do {}; ", unlock.collect::<Vec<_>>().join(", "))
            }
        };
        format!(
            "{unlock_all}set {unlock}autocommit = @idem_autocommit, wait_timeout = @idem_idle, \
             /*M!100000 max_error_count = @idem_errors, */lock_wait_timeout = @idem_metadata_wait, \
             innodb_lock_wait_timeout = @idem_row_wait, \
             /*M!100000 max_statement_time *//*!80000 max_execution_time */ = @idem_statement"
        )
    }

    /// Rolls back, releases the locks and restores the session, in one message.
    pub(super) async fn roll_back(&self, conn: &mut MySqlConnection) -> sqlx::Result<()> {
        let text = format!(
            "{ROLLBACK}; {}{}",
            self.use_database(),
            self.restore_session_text()
        );
        run(conn, text).await?;
        // SQLx lowers its depth by a ROLLBACK alone. This one is sent with the pool's ping.
        MySqlTransactionManager::start_rollback(conn);
        Ok(())
    }

    /// Asks the server to stop the attempt's statement.
    ///
    /// `kill query` needs no privilege for a connection of the same account. It stops the statement
    /// and keeps the transaction. It may arrive late, and stop the next statement instead.
    pub(super) async fn cancel(&self, pool: &MySqlPool) -> sqlx::Result<bool> {
        let kill = AssertSqlSafe(format!("kill query {}", self.connection));
        sqlx::raw_sql(kill).execute(pool).await.map(|_| true)
    }

    /// Asks the server to end the attempt's session, of which nothing is used again.
    ///
    /// Unlike `kill query` it also stops a statement that has not begun. The numbers of connections
    /// are not used again (manual, "KILL Statement"). 1094: the session has ended.
    pub(super) async fn end_session(&self, pool: &MySqlPool) -> sqlx::Result<()> {
        let kill = AssertSqlSafe(format!("kill connection {}", self.connection));
        match sqlx::raw_sql(kill).execute(pool).await {
            Err(error) if number(&error) == Some(NO_SUCH_THREAD) => Ok(()),
            killed => killed.map(|_| ()),
        }
    }

    fn use_database(&self) -> String {
        match &self.database {
            Some(name) => format!("use `{}`; ", name.replace('`', "``")),
            None => String::new(),
        }
    }
}
