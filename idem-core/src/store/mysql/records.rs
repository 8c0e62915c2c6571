//! The records of MariaDB and MySQL: finding one, storing one, and what became of a lost COMMIT.
//!
//! Neither server has an upsert that tells what it did: with `on duplicate key update` the number
//! of changed rows depends on a flag of the connection, `CLIENT_FOUND_ROWS`, which SQLx sets. So
//! there are two statements:
//!
//! | the row before | the insert | the update | the result |
//! | --- | --- | --- | --- |
//! | none | 1 row | not sent | `true` |
//! | expired | error 1062 | 1 row | `true` |
//! | live | error 1062 | 0 rows | `false` |
//!
//! Error 1062 undoes the insert alone; the transaction goes on. It is compared by its number on a
//! statement of Idem's own, whose table has no other unique key, so a constraint of the application
//! is never mistaken for it.

use sqlx::mysql::{MySqlConnection, MySqlTransactionManager};
use sqlx::{AssertSqlSafe, FromRow, Row};
use sqlx_core::transaction::TransactionManager;
use uuid::Uuid;

use super::error::{DUPLICATE_KEY, number};
use super::name::{TRY_LOCK, UNLOCK, hex, is, lock};
use super::statement::{Query, READ_COMMITTED, ROLLBACK, WRITABLE, bind_name, run};
use crate::model::record::RecordName;
use crate::store::records::{CommitOutcome, NewRecord, Probe, StoredRecord, micros};
use crate::store::row::joined_record;

/// Reads a record, in the open transaction or as it is committed.
pub(super) async fn find(
    conn: &mut MySqlConnection,
    name: &RecordName,
) -> sqlx::Result<Option<StoredRecord>> {
    let text = match MySqlTransactionManager::get_transaction_depth(conn) {
        0 => find_text(name),
        _ => select(name),
    };
    // All results, so that the last ROLLBACK has run when the connection goes back.
    let rows = sqlx::raw_sql(AssertSqlSafe(text)).fetch_all(conn).await?;
    rows.first().map(StoredRecord::from_row).transpose()
}

/// Reads a record as it is committed, and whether the server takes writes, in one message.
pub(super) async fn look(
    conn: &mut MySqlConnection,
    name: &RecordName,
) -> sqlx::Result<Option<Probe>> {
    let text = format!(
        "{ROLLBACK}; {READ_COMMITTED}select {WRITABLE} as writable, {RECORD} from (select 1) as one \
         left join idem_record as r on {} limit 1; {ROLLBACK}",
        is(name)
    );
    // All results, so that the last ROLLBACK has run when the connection goes back.
    let rows = sqlx::raw_sql(AssertSqlSafe(text)).fetch_all(conn).await?;
    let row = rows.first().ok_or(sqlx::Error::RowNotFound)?;
    Ok(Some(Probe {
        is_writable: row.try_get("writable")?,
        ..Probe::of(joined_record(row)?)
    }))
}

/// Reads a record as it is committed, on a session whose isolation shows what may never commit.
pub(super) fn find_committed(name: &RecordName) -> String {
    format!("{READ_COMMITTED}{}", select(name))
}

/// Reads a record as it is committed now, on a session that may have a transaction open. None is open
/// afterwards.
fn find_text(name: &RecordName) -> String {
    format!("{ROLLBACK}; {READ_COMMITTED}{}; {ROLLBACK}", select(name))
}

/// Reads a record as the open transaction sees it.
///
/// The limit is for sessions with a `sql_select_limit`, which an explicit one overrides.
pub(super) fn select(name: &RecordName) -> String {
    format!(
        "select {RECORD} from idem_record as r where {} limit 1",
        is(name)
    )
}

/// Asks whether a late retry is refused: by the expired record, or by the tombstone that a sweep has made
/// of it. Both are read by one statement and so in one snapshot.
pub(super) fn select_refused(name: &RecordName) -> String {
    format!(
        "select exists(select 1 from idem_record as r where {} and r.expires_at <= utc_timestamp(6) \
           and r.refused_until > utc_timestamp(6)) \
         or exists(select 1 from idem_tombstone as t where t.digest = {} \
           and t.expires_at > utc_timestamp(6)) as refused limit 1",
        is(name),
        hex(name.tombstone().as_bytes())
    )
}

/// Whether a late retry is refused, as it is committed now. No transaction is open afterwards.
pub(super) async fn is_refused(
    conn: &mut MySqlConnection,
    name: &RecordName,
) -> sqlx::Result<bool> {
    let text = format!(
        "{ROLLBACK}; {READ_COMMITTED}{}; {ROLLBACK}",
        select_refused(name)
    );
    let rows = sqlx::raw_sql(AssertSqlSafe(text)).fetch_all(conn).await?;
    rows.first().ok_or(sqlx::Error::RowNotFound)?.try_get(0)
}

/// The columns of a record.
const RECORD: &str = "r.format, r.fingerprint_version, r.fingerprint, r.status, r.headers, r.body, \
    r.reference, r.expires_at <= utc_timestamp(6) as expired, \
    timestampdiff(microsecond, r.created_at, utc_timestamp(6)) div 1000 as age";

/// Inserts a record, or replaces one that has expired. `None`: the session is not in that database, or
/// commits each statement.
pub(super) async fn insert_if_unchanged(
    conn: &mut MySqlConnection,
    database: &str,
    record: &NewRecord<'_>,
) -> sqlx::Result<Option<bool>> {
    let table = format!("`{}`.idem_record", database.replace('`', "``"));
    let database = hex(database.as_bytes());
    let is_unchanged =
        format!("@@autocommit = 0 and database() = convert({database} using utf8mb4)");
    insert_where(conn, &is_unchanged, &table, record).await
}

/// Inserts a record, or replaces one that has expired.
pub(super) async fn insert(
    conn: &mut MySqlConnection,
    record: &NewRecord<'_>,
) -> sqlx::Result<bool> {
    let inserted = insert_where(conn, "true", "idem_record", record).await?;
    Ok(inserted.unwrap_or(false))
}

/// Inserts a record under a condition, or replaces one that has expired. `None`: it does not hold.
///
/// `insert ignore` would truncate values, and with `on duplicate key update` the number of rows does not
/// tell whether the row had expired (because of `CLIENT_FOUND_ROWS`).
async fn insert_where(
    conn: &mut MySqlConnection,
    condition: &str,
    table: &str,
    record: &NewRecord<'_>,
) -> sqlx::Result<Option<bool>> {
    let [columns, values, assignments, if_not_refused] = match record.refusal {
        None => [""; 4],
        Some(_) => [
            "refused_until, tombstone, ",
            "utc_timestamp(6) + interval ? microsecond, ?, ",
            "refused_until = utc_timestamp(6) + interval ? microsecond, tombstone = ?, ",
            "and (refused_until is null or refused_until <= utc_timestamp(6))",
        ],
    };
    let insert = format!(
        "insert into {table} ({columns}attempt, format, fingerprint_version, fingerprint, \
           status, headers, `body`, reference, created_at, expires_at, \
           scope, operation, `key`) \
         select {values}?, ?, ?, ?, ?, ?, ?, ?, \
           utc_timestamp(6), utc_timestamp(6) + interval ? microsecond, ?, ?, ? \
         from dual where {condition}"
    );
    match bind_record(insert, record).execute(&mut *conn).await {
        Err(error) if number(&error) == Some(DUPLICATE_KEY) => {}
        inserted => return Ok((inserted?.rows_affected() == 1).then_some(true)),
    }
    let if_expired = "and expires_at <= utc_timestamp(6)";
    let replace = format!(
        "update {table} set {assignments}attempt = ?, format = ?, fingerprint_version = ?, \
           fingerprint = ?, status = ?, headers = ?, `body` = ?, reference = ?, \
           created_at = utc_timestamp(6), \
           expires_at = utc_timestamp(6) + interval ? microsecond \
         where scope = ? and operation = ? and `key` = ? {if_expired} {if_not_refused}"
    );
    let replaced = bind_record(replace, record).execute(conn).await?;
    Ok(Some(replaced.rows_affected() == 1))
}

/// Binds a record to the parameters of either statement. Those about its tombstone come first.
fn bind_record<'r>(statement: String, record: &'r NewRecord<'_>) -> Query<'r> {
    let (version, digest) = record.fingerprint();
    let mut stored = sqlx::query(AssertSqlSafe(statement));
    if let Some(refusal) = record.refusal {
        stored = stored
            .bind(micros(record.ttl + refusal))
            .bind(record.name.tombstone());
    }
    let stored = stored
        .bind(record.attempt)
        .bind(record.format())
        .bind(version)
        .bind(digest)
        .bind(record.status())
        .bind(record.headers())
        .bind(record.body())
        .bind(record.reference())
        .bind(micros(record.ttl));
    bind_name(stored, record.name)
}

/// Finds out what became of an attempt: by its record, and by the lock that its session holds.
///
/// One message is enough, unlike on Postgres: `get_lock` and the reading are two statements, and
/// the reading has a later snapshot. A failed message may have taken the lock, so it is released
/// before the error is returned.
pub(super) async fn commit_outcome(
    conn: &mut MySqlConnection,
    name: &RecordName,
    attempt: Uuid,
) -> sqlx::Result<CommitOutcome> {
    let text = AssertSqlSafe(outcome_text(name, attempt));
    let rows = sqlx::raw_sql(text).fetch_all(&mut *conn).await;
    if rows.is_err() {
        // The server does not run what follows a failed statement, so the lock may be held.
        run(conn, format!("{UNLOCK}; {ROLLBACK}")).await?;
    }
    let rows = rows?;
    let row = rows.first().ok_or(sqlx::Error::RowNotFound)?;
    // The session of the lost transaction holds the lock until it ends.
    let (over, committed): (bool, bool) = (row.try_get("free")?, row.try_get("committed")?);
    Ok(match (committed, over) {
        (true, _) => CommitOutcome::Committed,
        (false, true) => CommitOutcome::RolledBack,
        (false, false) => CommitOutcome::Running,
    })
}

/// Asks whether the attempt's record exists and whether the lock is free.
///
/// The lock is tried before the record is read, and released by the same message. No transaction is
/// open afterwards.
fn outcome_text(name: &RecordName, attempt: Uuid) -> String {
    format!(
        "{ROLLBACK}; set @idem_lock = {}; set @idem_free = {TRY_LOCK}; \
         {READ_COMMITTED}select @idem_free as free, exists(select 1 from idem_record as r \
         where {} and r.attempt = {}) as committed limit 1; {UNLOCK}; {ROLLBACK}",
        lock(name),
        is(name),
        hex(attempt.as_bytes())
    )
}
