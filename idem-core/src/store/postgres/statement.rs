//! How statements are sent, so that they work behind a pooler in transaction mode.
//!
//! A named statement stays with the server connection that prepared it, and behind a pooler the next
//! transaction may have another one, where the name is unknown, taken, or another client's statement.
//! sqlx sends one without a name in two messages, between which only a transaction keeps the server
//! connection; one without parameters goes in a single message.
//!
//! A name saves a message and a plan, a good part of a first attempt's time. So the statements of
//! attempts have names on a connection on which the application's own have; all others never do. Where
//! names do not hold they are given up, and the statement is sent again.

use std::time::Duration;

use sqlx::postgres::types::PgInterval;
use sqlx::postgres::{PgArguments, PgConnection, PgRow, PgTransactionManager};
use sqlx::{AssertSqlSafe, Connection, Decode, Postgres, Row, SqlSafeStr, Type};
use sqlx_core::transaction::TransactionManager;

use crate::model::record::RecordName;
use crate::store::records::micros;

type Query<'q> = sqlx::query::Query<'q, Postgres, PgArguments>;

/// A statement with parameters. Run it inside of a transaction.
pub(super) fn unnamed<'q>(sql: &'static str) -> Query<'q> {
    sqlx::query(sql).persistent(false)
}

/// As [`unnamed`], but that it has a name where the connection has some.
pub(super) fn frequent<'q>(conn: &PgConnection, sql: &'static str) -> Query<'q> {
    sqlx::query(sql).persistent(has_names(conn))
}

/// Binds a name to the next three parameters: scope, operation and key.
pub(super) fn named<'q>(query: Query<'q>, name: &'q RecordName) -> Query<'q> {
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

/// Whether the application's statements have names here: sqlx keeps none without a cache, nor any of
/// those that are not to persist.
pub(super) fn has_names(conn: &PgConnection) -> bool {
    conn.cached_statements_size() > 0
}

/// Set before what stores a record, where the connection has names.
pub(super) const BEFORE_STORING: &str = "savepoint idem_store;";

/// Goes back there and forgets the names, the application's too, which hold as little.
pub(super) async fn store_without_names(conn: &mut PgConnection) -> sqlx::Result<()> {
    run(conn, "rollback to savepoint idem_store".to_owned()).await?;
    conn.clear_cached_statements().await
}

/// Runs statements that are written out, in one message, and says how many rows they have changed.
pub(super) async fn run(conn: &mut PgConnection, text: String) -> sqlx::Result<u64> {
    let done = sqlx::raw_sql(AssertSqlSafe(text)).execute(conn).await?;
    Ok(done.rows_affected())
}

/// As [`run`], after a handler has failed: perhaps since the server has forgotten names. Then the
/// connection forgets them too, or the application's statements would fail on it for ever.
pub(super) async fn run_and_check_names(conn: &mut PgConnection, text: String) -> sqlx::Result<()> {
    let count = format!("{text}; select count(*) from pg_prepared_statements");
    let known: i64 = value(conn, count).await?;
    match usize::try_from(known).is_ok_and(|known| known < conn.cached_statements_size()) {
        true => conn.clear_cached_statements().await,
        false => Ok(()),
    }
}

/// The rows of one statement that is written out.
pub(super) async fn rows(
    conn: &mut PgConnection,
    text: impl SqlSafeStr,
) -> sqlx::Result<Vec<PgRow>> {
    sqlx::raw_sql(text).fetch_all(conn).await
}

/// The one value of one statement that is written out.
pub(super) async fn value<T>(conn: &mut PgConnection, text: String) -> sqlx::Result<T>
where
    T: for<'r> Decode<'r, Postgres> + Type<Postgres>,
{
    let row = sqlx::raw_sql(AssertSqlSafe(text)).fetch_one(conn).await?;
    row.try_get(0)
}

/// A transaction for statements that may have to bring their own.
///
/// Dropped or failed halfway, the connection must be closed: a cancelled BEGIN leaves the
/// transaction open.
#[must_use = "it is to be ended"]
pub(super) struct OwnTransaction {
    is_own: bool,
}

impl OwnTransaction {
    /// Begins one, unless the connection is in one.
    pub(super) async fn begin(conn: &mut PgConnection) -> sqlx::Result<Self> {
        let is_own = PgTransactionManager::get_transaction_depth(conn) == 0;
        if is_own {
            // Each statement is to see what was committed before it.
            let begin = "begin isolation level read committed".into_sql_str();
            PgTransactionManager::begin(conn, Some(begin)).await?;
        }
        Ok(Self { is_own })
    }

    /// Commits, or rolls back what has failed.
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
