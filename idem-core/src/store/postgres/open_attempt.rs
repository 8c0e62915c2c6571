//! An open attempt on PostgreSQL: its guard savepoint, its limits and how its statement is stopped.
//!
//! A handler may leave the transaction in several states, and one message tells them apart:
//!
//! | the handler has | the release of the guard says | the attempt |
//! | --- | --- | --- |
//! | done nothing unusual | OK | goes on |
//! | sent COMMIT or ROLLBACK | 25P01 or 3B001 | `GuardLost` |
//! | swallowed the error of a statement | 25P02 | `Aborted` |
//! | sent COMMIT, then BEGIN | 3B001: the guard's name is unique | `GuardLost` |
//!
//! The name of the guard contains the attempt's id, so that a savepoint which a handler sets by itself
//! cannot pass for it.

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, PgPool};

use super::statement::{BEFORE_STORING, has_names, run, run_and_check_names};

/// The guard's name, what of the session is restored, and the process whose statement is stopped.
#[derive(Debug)]
pub struct OpenAttempt {
    pub(super) guard: String,
    /// Statements that set the session's users to those it came with.
    pub(super) users: String,
    /// The limit for a statement that the session came with, or the attempt's own if that is shorter.
    pub(super) statement_timeout: String,
    /// The process of the server that runs the attempt's statements.
    pub(super) backend: i32,
    /// Statements that restore the settings which a message has changed, for the next one.
    pub(super) between: String,
}

impl OpenAttempt {
    /// Releases the guard and restores the role and the time limit.
    ///
    /// The release comes first: a lost guard must be the first error, and the statements after it would
    /// succeed outside of a transaction. What a handler has set by `SET LOCAL` would last until COMMIT, so
    /// the role and the time limit are set back before the insert. A weaker role may lack the right to
    /// insert, and a limit of a few milliseconds would refuse the record of work that is done.
    ///
    /// On a connection with named statements a savepoint follows, to which the insert is rolled back if the
    /// server does not know its name.
    pub(super) async fn release_guard(
        &self,
        conn: &mut PgConnection,
        around: &str,
    ) -> sqlx::Result<()> {
        let Self {
            guard,
            users,
            statement_timeout: limit,
            ..
        } = self;
        let before = match has_names(conn) {
            true => BEFORE_STORING,
            false => "",
        };
        // A handler may have set a weaker role or a shorter limit.
        let text = format!(
            "{around} release savepoint {guard}; {users}; \
             set local statement_timeout = '{limit}'; {around} {before}"
        );
        run(conn, text).await.map(|_| ())
    }

    /// Undoes every write since the guard.
    ///
    /// This is also the first statement after a handler's failure, so it checks the names: a handler's
    /// `deallocate all`, or another server connection, has made those in SQLx's cache useless.
    pub(super) async fn roll_back_to_guard(&self, conn: &mut PgConnection) -> sqlx::Result<()> {
        let text = format!("rollback to savepoint {}", self.guard);
        match has_names(conn) {
            true => run_and_check_names(conn, text).await,
            false => run(conn, text).await.map(|_| ()),
        }
    }

    /// Asks the server to stop the attempt's statement.
    ///
    /// `pg_cancel_backend` needs the same role, membership in it, or `pg_signal_backend` (manual, "Server
    /// Signaling Functions"). It is sent on a connection of the pool and not as a `CancelRequest`, which
    /// SQLx does not offer. The signal is delivered asynchronously, so it may hit the attempt's next
    /// statement: the caller treats one error of its rollback as that.
    pub(super) async fn cancel(&self, pool: &PgPool) -> sqlx::Result<()> {
        // The transaction keeps its server connection, so the number holds behind a pooler too.
        let cancel = AssertSqlSafe(format!("select pg_cancel_backend({})", self.backend));
        sqlx::raw_sql(cancel).execute(pool).await.map(|_| ())
    }
}

/// Limits the waits for locks until the transaction ends, or restores the limit that it had.
///
/// `lock_timeout` bounds each wait for a lock, also that of an insert for another transaction's row.
/// The earlier value is kept in a setting of Idem's own, since a variable of the process would not know
/// what the application has set.
pub(super) async fn limit_lock_waits(
    conn: &mut PgConnection,
    is_limited: bool,
) -> sqlx::Result<()> {
    let text = match is_limited {
        true => {
            "select set_config('idem.lock_timeout', current_setting('lock_timeout'), true), \
             set_config('lock_timeout', '5s', true)"
        }
        false => "select set_config('lock_timeout', current_setting('idem.lock_timeout'), true)",
    };
    run(conn, text.to_owned()).await.map(|_| ())
}
