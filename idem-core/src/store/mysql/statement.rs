//! Statements of Idem's own, on sessions that may come with a transaction open.

use futures_util::future::BoxFuture;
use sqlx::mysql::{MySqlArguments, MySqlConnection};
use sqlx::{AssertSqlSafe, MySql};

use crate::model::record::RecordName;

type Query<'q> = sqlx::query::Query<'q, MySql, MySqlArguments>;

/// Binds a name to the next three parameters: scope, operation and key.
pub(super) fn named<'q>(query: Query<'q>, name: &'q RecordName) -> Query<'q> {
    query
        .bind(name.scope.as_str().as_bytes())
        .bind(name.operation.as_str().as_bytes())
        .bind(name.key.as_str().as_bytes())
}

/// Runs statements that are written out, in one message.
pub(super) fn run(conn: &mut MySqlConnection, text: String) -> BoxFuture<'_, sqlx::Result<()>> {
    Box::pin(async move {
        sqlx::raw_sql(AssertSqlSafe(text))
            .execute(conn)
            .await
            .map(|_| ())
    })
}

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

/// Ends whatever is open without keeping it, even where the session would begin anew or be closed
/// with it (`completion_type`).
pub(super) const AFRESH: &str = "rollback and no chain no release";

/// For the next statement alone: a session's own isolation may read what never commits.
pub(super) const COMMITTED: &str = "set transaction isolation level read committed; ";
