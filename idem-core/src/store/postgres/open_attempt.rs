//! An open attempt on PostgreSQL: how it proves that the transaction is its own, and how it is stopped.
//!
//! A handler may leave the transaction in several states. Storing the record tells them apart, and so
//! does a question before the rollback:
//!
//! An attempt that is [`merged`](super::merged) is proved by a setting of its transaction instead of the
//! time, and `store` is a part of its COMMIT.
//!
//! | the handler has | `store` | `is_still_own` |
//! | --- | --- | --- |
//! | done nothing unusual | stores | yes, by the time at which the transaction began |
//! | sent COMMIT or ROLLBACK, and perhaps BEGIN | `GuardLost`: another time | no, by the time |
//! | swallowed the error of a statement | `Aborted` | yes: see below |
//! | sent COMMIT and BEGIN, and failed | `Aborted` | no: see below |
//!
//! A transaction that has failed answers no question. The claim therefore sets `idem.attempt` for the
//! session: a rollback of its transaction undoes that, and a COMMIT keeps it. It is read after the
//! rollback. One case is not found: a handler that sends ROLLBACK, commits another transaction, begins
//! a third and fails in that.
//!
//! Where there is a savepoint, as [`begin`](super::begin) says, it is the guard: it exists in its own
//! transaction alone. Its name contains the attempt's id, so that a savepoint which a handler sets by
//! itself cannot pass for it.

use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, PgPool, Postgres, Row};
use uuid::Uuid;

use super::error::fault;
use super::merged::Merged;
use super::statement::{BEFORE_STORING, check_names, has_names, rows, run, run_and_check_names};
use crate::store::fault::Fault;
use crate::store::guard::has_guard;

/// What proves the transaction, what of the session is restored, and the process whose statement is
/// stopped.
#[derive(Debug)]
pub struct OpenAttempt {
    pub(super) id: Uuid,
    /// The savepoint to which the writes can be rolled back.
    pub(super) guard: Option<String>,
    /// How its statements are sent, and what is known by that.
    pub(super) form: Form,
    /// Statements that restore the settings which a message has changed, for the next one.
    pub(super) between: String,
}

/// In what messages an attempt's statements are sent.
#[derive(Debug)]
pub(super) enum Form {
    /// Each is a message.
    Single {
        session: OwnSession,
        /// Whether the attempt's own statement has a name on the server.
        is_named: bool,
        /// The attempt's operation refuses late retries, and has another statement.
        refuses_late: bool,
    },
    /// In those of BEGIN and COMMIT, which give nothing back.
    Merged(Merged),
}

/// The transaction and the session as the claim has found them.
#[derive(Debug)]
pub(super) struct OwnSession {
    /// When the transaction began, in seconds since 1970.
    pub(super) began: f64,
    /// The user of the session, and its role.
    pub(super) login: String,
    pub(super) role: String,
    /// The limit for a statement that the session came with, or the attempt's own if that is shorter.
    pub(super) statement_timeout: String,
    /// The search path.
    pub(super) path: String,
    /// The process of the server that runs the attempt's statements.
    pub(super) backend: i32,
}

impl OpenAttempt {
    /// The session, for a caller that cannot go on without.
    pub(super) fn session(&self) -> sqlx::Result<&OwnSession> {
        match &self.form {
            Form::Single { session, .. } => Ok(session),
            Form::Merged(_) => {
                let no_session = "the attempt knows no session".to_owned();
                Err(sqlx::Error::Protocol(no_session))
            }
        }
    }

    pub(super) fn is_named(&self) -> bool {
        matches!(self.form, Form::Single { is_named: true, .. })
    }

    pub(super) fn refuses_late(&self) -> bool {
        matches!(
            self.form,
            Form::Single {
                refuses_late: true,
                ..
            }
        )
    }

    /// The statements that set the session's user and role to those it came with.
    ///
    /// They set both for the session, because a handler's `SET ROLE` outlives the COMMIT. Any role may
    /// go back to the user that has logged in.
    pub(super) fn users(&self) -> sqlx::Result<String> {
        let session = self.session()?;
        let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
        let role = match session.role.as_str() {
            "none" => "none".to_owned(),
            name => quoted(name),
        };
        // In this order: the first statement resets the role.
        let login = quoted(&session.login);
        let text = format!("set session authorization {login}; set role {role}");
        Ok(text)
    }

    /// The statements that restore what storing a record depends on.
    pub(super) fn restore_text(&self) -> sqlx::Result<String> {
        let (users, limit) = (self.users()?, &self.session()?.statement_timeout);
        Ok(format!("{users}; set local statement_timeout = '{limit}'"))
    }

    /// Releases the guard and restores the role and the time limit.
    ///
    /// The release comes first: a lost guard must be the first error, and the statements after it would
    /// succeed outside of a transaction. What a handler has set by `SET LOCAL` would last until COMMIT, so
    /// the role and the time limit are set back before the insert. A weaker role may lack the right to
    /// insert, and a limit of a few milliseconds would refuse the record of work that is done.
    ///
    /// On a connection with named statements a savepoint follows, to which the records of a batch are
    /// rolled back if the server does not know the name of their statement.
    pub(super) async fn release_guard(
        &self,
        conn: &mut PgConnection,
        around: &str,
    ) -> sqlx::Result<()> {
        let guard = self.guard()?;
        let before = match has_names(conn) {
            true => BEFORE_STORING,
            false => "",
        };
        let restore = self.restore_text()?;
        let text = format!("{around} release savepoint {guard}; {restore}; {around} {before}");
        run(conn, text).await.map(|_| ())
    }

    /// The savepoint, for a caller that cannot go on without.
    fn guard(&self) -> sqlx::Result<&str> {
        let guard = self.guard.as_deref();
        guard.ok_or_else(|| sqlx::Error::Protocol("the attempt has no savepoint".to_owned()))
    }

    /// Undoes every write since the guard.
    ///
    /// This is also the first statement after a handler's failure, so it checks the names: a handler's
    /// `deallocate all`, or another server connection, has made those in SQLx's cache useless.
    pub(super) async fn roll_back_to_guard(&self, conn: &mut PgConnection) -> sqlx::Result<()> {
        let text = format!("rollback to savepoint {}", self.guard()?);
        match has_names(conn) {
            true => run_and_check_names(conn, text).await,
            false => run(conn, text).await.map(|_| ()),
        }
    }

    /// Whether the transaction is the one that was begun.
    ///
    /// A failed transaction is rolled back for the question, and an empty one follows it, so that the
    /// caller's own ROLLBACK is no warning in the server's log. That one is marked, for the case that the
    /// answer is lost and the question asked again.
    pub(super) async fn is_still_own(&self, conn: &mut PgConnection) -> sqlx::Result<bool> {
        if self.guard.is_some() {
            return has_guard::<Postgres>(conn, self).await;
        }
        let names = match has_names(conn) {
            true => "(select count(*) from pg_prepared_statements)",
            false => "0::bigint",
        };
        let (id, form) = (self.id, &self.form);
        let is_own = match form {
            Form::Single { session, .. } => format!(
                "date_part('epoch', transaction_timestamp()) = {}",
                session.began
            ),
            Form::Merged(_) => {
                format!("starts_with(current_setting('idem.claim', true), '{{{id}')")
            }
        };
        let by_claim = format!(
            "select coalesce({is_own}, false) \
             or current_setting('idem.undone', true) is not distinct from '{id}' as own, {names} as names"
        );
        let asked = ask(conn, by_claim).await;
        let row = match asked {
            Err(error) if fault(&error) == Fault::Aborted => {
                let by_setting = format!(
                    "rollback and chain; \
                     select own, {names} as names, \
                     set_config('idem.undone', case when own then '{id}' else '' end, true) from \
                     (select current_setting('idem.attempt', true) is distinct from '{id}' as own) as a"
                );
                ask(conn, by_setting).await?
            }
            asked => asked?,
        };
        check_names(conn, row.try_get("names")?).await?;
        row.try_get("own")
    }

    /// Asks the server to stop the attempt's statement.
    ///
    /// `pg_cancel_backend` needs the same role, membership in it, or `pg_signal_backend` (manual, "Server
    /// Signaling Functions"). It is sent on a connection of the pool and not as a `CancelRequest`, which
    /// SQLx does not offer. The signal is delivered asynchronously, so it may hit the attempt's next
    /// statement: the caller treats one error of its rollback as that.
    pub(super) async fn cancel(&self, pool: &PgPool) -> sqlx::Result<bool> {
        // The transaction keeps its server connection, so the number holds behind a pooler too.
        let cancel = match &self.form {
            Form::Single { session, .. } => {
                format!("select pg_cancel_backend({})", session.backend)
            }
            Form::Merged(merged) => merged.cancel_text(),
        };
        let asked = sqlx::raw_sql(AssertSqlSafe(cancel)).fetch_optional(pool);
        Ok(asked.await?.is_some())
    }
}

async fn ask(conn: &mut PgConnection, text: String) -> sqlx::Result<PgRow> {
    let rows = rows(conn, AssertSqlSafe(text)).await?;
    rows.into_iter().next().ok_or(sqlx::Error::RowNotFound)
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
