//! An open attempt on PostgreSQL: its guard savepoint, its limits and how its statement is stopped.

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
    pub(super) async fn roll_back_to_guard(&self, conn: &mut PgConnection) -> sqlx::Result<()> {
        let text = format!("rollback to savepoint {}", self.guard);
        match has_names(conn) {
            true => run_and_check_names(conn, text).await,
            false => run(conn, text).await.map(|_| ()),
        }
    }

    /// Asks the server to stop the attempt's statement.
    pub(super) async fn cancel(&self, pool: &PgPool) -> sqlx::Result<()> {
        // The transaction keeps its server connection, so the number holds behind a pooler too.
        let cancel = AssertSqlSafe(format!("select pg_cancel_backend({})", self.backend));
        sqlx::raw_sql(cancel).execute(pool).await.map(|_| ())
    }
}

/// Limits the waits for locks until the transaction ends, or restores the limit that it had.
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
