//! How statements are sent, so that they work behind a pooler in transaction mode.
//!
//! A named statement belongs to the server connection that prepared it. Behind a pooler the next
//! transaction may get another server connection, where the name is unknown or is another statement's.
//! SQLx sends an unnamed statement in two messages, between which only a transaction keeps the server
//! connection. A statement without parameters goes in a single message.
//!
//! A name saves a message and a plan, a good part of a first attempt's time. So the statements of
//! attempts have names on connections where the application's statements have names; all others never
//! do. Where the server does not know a name, the connection forgets its names and sends the statement
//! again.
//!
//! The functions here, and when to use which:
//!
//! | function | name on the server | use it |
//! | --- | --- | --- |
//! | [`frequent`] | if the application's statements have names | in each batch of messages |
//! | [`unnamed`] | never | with parameters, inside of a transaction |
//! | [`run`], [`rows`], [`value`] | never | without parameters, anywhere: one message |

use std::time::Duration;

use sqlx::postgres::types::PgInterval;
use sqlx::postgres::{PgArguments, PgConnection, PgRow, PgTransactionManager};
use sqlx::{AssertSqlSafe, Connection, Decode, Postgres, Row, SqlSafeStr, Type};
use sqlx_core::transaction::TransactionManager;

use crate::model::record::RecordName;
use crate::store::records::{micros, millis};

type Query<'q> = sqlx::query::Query<'q, Postgres, PgArguments>;

/// A statement with parameters. Run it inside of a transaction.
pub(super) fn unnamed<'q>(sql: impl SqlSafeStr) -> Query<'q> {
    sqlx::query(sql).persistent(false)
}

/// As [`unnamed`], but with a name on a connection where statements have names.
pub(super) fn frequent<'q>(conn: &PgConnection, sql: &'static str) -> Query<'q> {
    sqlx::query(sql).persistent(has_names(conn))
}

/// Binds a name to the next three parameters: scope, operation and key.
pub(super) fn bind_name<'q>(query: Query<'q>, name: &'q RecordName) -> Query<'q> {
    query
        .bind(name.scope.as_str())
        .bind(name.operation.as_str())
        .bind(name.key.as_str())
}

/// A duration as statements take it.
pub(super) fn interval(duration: Duration) -> PgInterval {
    PgInterval {
        months: 0,
        days: 0,
        microseconds: micros(duration),
    }
}

/// The limits of a statement and of an idle moment, in milliseconds.
///
/// Idem itself stops a handler's statement. The limit of a statement is for when its request does not
/// arrive. The handler may leave the session idle for its whole time; that limit is for clients that
/// are gone.
pub(super) fn limits(timeout: Duration) -> [i32; 2] {
    let limit = |more| i32::try_from(millis(timeout).saturating_add(more)).unwrap_or(i32::MAX);
    [limit(1_000), limit(5_000)]
}

/// Whether the application's statements have names on this connection: whether SQLx has cached any.
///
/// An application that turns names off for a pooler has an empty cache, and Idem follows it without a
/// setting of its own. On a new connection nothing has a name before the application's first statement.
pub(super) fn has_names(conn: &PgConnection) -> bool {
    conn.cached_statements_size() > 0
}

/// Sets a savepoint before a record is stored, on a connection where statements have names.
///
/// An unknown name fails the transaction, and the handler's writes with it. The savepoint keeps them.
pub(super) const BEFORE_STORING: &str = "savepoint idem_store;";

/// Rolls back to that savepoint and forgets all names, those of the application too: the server does
/// not know them either.
pub(super) async fn store_without_names(conn: &mut PgConnection) -> sqlx::Result<()> {
    run(conn, "rollback to savepoint idem_store".to_owned()).await?;
    conn.clear_cached_statements().await
}

/// Runs statements without parameters, in one message, and returns the number of changed rows.
pub(super) async fn run(conn: &mut PgConnection, text: String) -> sqlx::Result<u64> {
    let done = sqlx::raw_sql(AssertSqlSafe(text)).execute(conn).await?;
    Ok(done.rows_affected())
}

/// As [`run`], after a handler has failed. If the server has forgotten statement names, the connection
/// forgets them too: else the application's statements would fail on it for ever.
pub(super) async fn run_and_check_names(conn: &mut PgConnection, text: String) -> sqlx::Result<()> {
    let count = format!("{text}; select count(*) from pg_prepared_statements");
    let known: i64 = value(conn, count).await?;
    check_names(conn, known).await
}

/// Forgets all names if the server knows fewer.
pub(super) async fn check_names(conn: &mut PgConnection, known: i64) -> sqlx::Result<()> {
    match usize::try_from(known).is_ok_and(|known| known < conn.cached_statements_size()) {
        true => conn.clear_cached_statements().await,
        false => Ok(()),
    }
}

/// The rows of one statement without parameters.
pub(super) async fn rows(
    conn: &mut PgConnection,
    text: impl SqlSafeStr,
) -> sqlx::Result<Vec<PgRow>> {
    sqlx::raw_sql(text).fetch_all(conn).await
}

/// The one value of one statement without parameters.
pub(super) async fn value<T>(conn: &mut PgConnection, text: String) -> sqlx::Result<T>
where
    T: for<'r> Decode<'r, Postgres> + Type<Postgres>,
{
    let row = sqlx::raw_sql(AssertSqlSafe(text)).fetch_one(conn).await?;
    row.try_get(0)
}

/// A transaction for statements that may run outside of an attempt.
///
/// Inside of an attempt it does nothing, so the functions of the store work in both places. Its isolation
/// is read committed whatever the session's default is: a snapshot from before a lock would be stale.
///
/// If it is dropped before [`end`](Self::end), the connection must be closed: a cancelled BEGIN leaves
/// the transaction open.
#[must_use = "it is to be ended"]
pub(super) struct OwnTransaction {
    is_own: bool,
}

impl OwnTransaction {
    /// Begins a transaction, unless one is open.
    pub(super) async fn begin(conn: &mut PgConnection) -> sqlx::Result<Self> {
        let is_own = PgTransactionManager::get_transaction_depth(conn) == 0;
        if is_own {
            // Each statement must see what was committed before it.
            let begin = "begin isolation level read committed".into_sql_str();
            PgTransactionManager::begin(conn, Some(begin)).await?;
        }
        Ok(Self { is_own })
    }

    /// Commits if `done` is `Ok`, else rolls back. A transaction that was open before stays open.
    ///
    /// An error of the rollback is dropped: the first error says more, and SQLx then knows an open
    /// transaction, so the caller's guard closes the connection.
    pub(super) async fn end<T>(
        self,
        conn: &mut PgConnection,
        done: sqlx::Result<T>,
    ) -> sqlx::Result<T> {
        match (self.is_own, &done) {
            (true, Ok(_)) => PgTransactionManager::commit(conn).await?,
            (true, Err(_)) => drop(PgTransactionManager::rollback(conn).await),
            (false, _) => {}
        }
        done
    }
}
