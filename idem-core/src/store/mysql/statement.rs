//! How statements are sent, on sessions that may come from the pool with a transaction open.
//!
//! A pooled session can have a transaction open that nobody means to commit: another user of the
//! pool has run `begin` in a text, or a read with `autocommit = 0` has begun one. Its snapshot
//! would hide records that were committed since, and a write of Idem would commit what the other
//! user left. So each access begins with a rollback, and ends without a transaction.
//!
//! | function | sends |
//! | --- | --- |
//! | [`before_reading`], a bound statement, [`after_reading`] | rollback; the statement; rollback |
//! | [`write()`] | rollback, a statement without parameters and COMMIT, in one message |
//! | [`run`] | the text alone, inside of an attempt |
//!
//! If an access is dropped half-way, a read has at most left a snapshot, which the next access of
//! Idem ends, and a write has either not begun or commits.

use futures_util::future::BoxFuture;
use sqlx::mysql::{MySqlArguments, MySqlConnection};
use sqlx::{AssertSqlSafe, MySql};

use crate::model::record::RecordName;

pub(super) type Query<'q> = sqlx::query::Query<'q, MySql, MySqlArguments>;

/// Binds a name to the next three parameters: scope, operation and key.
pub(super) fn bind_name<'q>(query: Query<'q>, name: &'q RecordName) -> Query<'q> {
    query
        .bind(name.scope.as_str().as_bytes())
        .bind(name.operation.as_str().as_bytes())
        .bind(name.key.as_str().as_bytes())
}

/// Runs statements without parameters, in one message.
pub(super) fn run(conn: &mut MySqlConnection, text: String) -> BoxFuture<'_, sqlx::Result<()>> {
    Box::pin(async move {
        sqlx::raw_sql(AssertSqlSafe(text))
            .execute(conn)
            .await
            .map(|_| ())
    })
}

/// Ends the transaction that the session may have open, so that a read sees what is committed now.
///
/// Another user of the pool left it open, and has not committed it.
pub(super) async fn before_reading(conn: &mut MySqlConnection) -> sqlx::Result<()> {
    sqlx::raw_sql(ROLLBACK).execute(conn).await.map(|_| ())
}

/// Ends the transaction that a read has begun, so that the session's next user sees what is committed
/// by then.
pub(super) async fn after_reading(conn: &mut MySqlConnection) -> sqlx::Result<()> {
    before_reading(conn).await
}

/// Runs a statement that writes, and returns the number of changed rows.
///
/// The same message commits it: if the caller is dropped meanwhile, no lock stays on the pooled
/// connection.
pub(super) async fn write(conn: &mut MySqlConnection, statement: &str) -> sqlx::Result<u64> {
    let text = format!("{ROLLBACK}; {statement}; {COMMIT}");
    let done = sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut *conn).await;
    if done.is_err() {
        // The server does not run what follows a failed statement, so the transaction may be open.
        before_reading(conn).await?;
    }
    done.map(|done| done.rows_affected())
}

/// Rolls back what is open, and nothing else: with `completion_type` a plain ROLLBACK may begin a new
/// transaction or close the session.
pub(super) const ROLLBACK: &str = "rollback and no chain no release";

/// Commits, and nothing else, as [`ROLLBACK`] says.
pub(super) const COMMIT: &str = "commit and no chain no release";

/// For the next transaction alone: the session's own isolation may read what never commits.
pub(super) const READ_COMMITTED: &str = "set transaction isolation level read committed; ";

/// Whether neither the server nor the session is read-only. The servers write flags differently.
///
/// A replica is refused before its record counts, because it may lack what the primary has
/// committed. A replica that does not report itself by one of these variables is not noticed here.
pub(super) const WRITABLE: &str = "cast(@@global.read_only as char) in ('0', 'OFF') \
    and @@innodb_read_only = 0 \
    and /*M!100000 @@tx_read_only *//*!80000 @@transaction_read_only */ = 0";
