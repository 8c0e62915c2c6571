//! Statements of Idem's own, on sessions that may come with a transaction open.

use sqlx::AssertSqlSafe;
use sqlx::mysql::MySqlConnection;

use super::message::AFRESH;

/// Before statements that read: what they see is what has been committed by now.
///
/// Whatever is open was left there by another user of the pool, who has not committed it.
pub(super) async fn afresh(conn: &mut MySqlConnection) -> sqlx::Result<()> {
    sqlx::raw_sql(AFRESH).execute(conn).await.map(|_| ())
}

/// Behind them, so that the session's next user sees what is committed until then.
pub(super) async fn leave(conn: &mut MySqlConnection) -> sqlx::Result<()> {
    afresh(conn).await
}

/// Runs a statement that writes, and says how many rows it has changed.
///
/// It is one message with its COMMIT: should its caller be dropped meanwhile, no lock stays behind
/// on the pooled connection.
pub(super) async fn write(conn: &mut MySqlConnection, statement: &str) -> sqlx::Result<u64> {
    let text = format!("{AFRESH}; {statement}; commit and no chain no release");
    let done = sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut *conn).await;
    if done.is_err() {
        // What comes behind a statement that fails does not run.
        afresh(conn).await?;
    }
    done.map(|done| done.rows_affected())
}
