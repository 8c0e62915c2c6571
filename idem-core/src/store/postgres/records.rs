//! The records of PostgreSQL: finding one, storing one, and what became of a lost COMMIT.
//!
//! One statement inserts a record, replaces an expired one, and refuses to touch a live one:
//!
//! | the row before | `rows_affected` | the row after |
//! | --- | --- | --- |
//! | none | 1 | the new record |
//! | expired | 1 | the new record |
//! | live | 0 | as before |
//! | inserted by an open transaction | waits for its end, then as above | |
//!
//! At repeatable read and above the last case ends in 40001 if the other transaction has committed
//! (manual, "Repeatable Read Isolation Level"), which is a collision: the retry finds the record.
//!
//! `expires_at` counts from `clock_timestamp()`, the time of the statement. `now()` is the time of the
//! BEGIN, so a handler that takes long would shorten its own ttl.

use sqlx::FromRow;
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use super::error::is_about_names;
use super::statement::{
    OwnTransaction, bind_name, frequent, interval, store_without_names, unnamed, value,
};
use crate::model::record::RecordName;
use crate::store::records::{CommitOutcome, FORMAT, NewRecord, StoredRecord};

/// Reads a record, in a transaction of its own unless one is open.
///
/// The statement is unnamed, so behind a pooler it needs a transaction around its two messages.
pub(super) async fn find(
    conn: &mut PgConnection,
    name: &RecordName,
) -> sqlx::Result<Option<StoredRecord>> {
    let own = OwnTransaction::begin(conn).await?;
    let find = unnamed(
        "select format, fingerprint_version, fingerprint, status, headers, body, \
                reference, expires_at <= statement_timestamp() as expired, \
                (extract(epoch from statement_timestamp() - created_at) * 1000)::bigint as age \
         from idem.record where scope = $1 and operation = $2 and key = $3",
    );
    let row = bind_name(find, name).fetch_optional(&mut *conn).await;
    let row = own.end(conn, row).await?;
    row.as_ref().map(StoredRecord::from_row).transpose()
}

/// Inserts a record or replaces an expired one, a second time without names if they do not hold.
pub(super) async fn insert(conn: &mut PgConnection, record: &NewRecord<'_>) -> sqlx::Result<bool> {
    match insert_once(conn, record).await {
        Err(error) if is_about_names(&error) => {
            store_without_names(conn).await.map_err(|_| error)?;
            insert_once(conn, record).await
        }
        inserted => inserted,
    }
}

/// Inserts the record, and reports whether a row has changed.
///
/// The condition of the update is evaluated on the row as it is committed now, after a wait if need be.
/// An expired row is replaced and not deleted first, because a deletion would let two attempts insert.
async fn insert_once(conn: &mut PgConnection, record: &NewRecord<'_>) -> sqlx::Result<bool> {
    let (version, digest) = record.fingerprint.stored();
    let insert = frequent(
        conn,
        "insert into idem.record as r (scope, operation, key, attempt, format, \
           fingerprint_version, fingerprint, status, headers, body, reference, expires_at) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, clock_timestamp() + $12) \
         on conflict (scope, operation, key) do update set \
           attempt = excluded.attempt, format = excluded.format, \
           fingerprint_version = excluded.fingerprint_version, \
           fingerprint = excluded.fingerprint, status = excluded.status, \
           headers = excluded.headers, body = excluded.body, \
           reference = excluded.reference, created_at = excluded.created_at, \
           expires_at = excluded.expires_at \
         where r.expires_at <= statement_timestamp()",
    );
    let done = bind_name(insert, record.name)
        .bind(record.attempt)
        .bind(FORMAT)
        .bind(version)
        .bind(digest)
        .bind(record.status())
        .bind(&record.completion.headers)
        .bind(&record.completion.body)
        .bind(record.reference())
        .bind(interval(record.ttl))
        .execute(conn)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Finds out what became of an attempt, in a transaction of its own unless one is open.
pub(super) async fn commit_outcome(
    conn: &mut PgConnection,
    name: &RecordName,
    attempt: Uuid,
) -> sqlx::Result<CommitOutcome> {
    let own = OwnTransaction::begin(conn).await?;
    let outcome = look_up(conn, name, attempt).await;
    own.end(conn, outcome).await
}

/// Reads the token, tries the lock, and reads the token again.
///
/// The second reading is needed: the lost transaction may commit between the first reading and the lock.
/// Once the lock is taken it is over, so a missing token is then final. The lock belongs to this
/// transaction and is released with it. If another attempt of the same name holds the lock, the answer
/// is [`CommitOutcome::Running`], and the caller asks again.
async fn look_up(
    conn: &mut PgConnection,
    name: &RecordName,
    attempt: Uuid,
) -> sqlx::Result<CommitOutcome> {
    if committed(conn, name, attempt).await? {
        return Ok(CommitOutcome::Committed);
    }
    // The lost transaction holds this lock until it ends.
    let lock = format!("select pg_try_advisory_xact_lock({})", name.lock_id());
    let is_over: bool = value(conn, lock).await?;
    match is_over {
        false => Ok(CommitOutcome::Running),
        true if committed(conn, name, attempt).await? => Ok(CommitOutcome::Committed),
        true => Ok(CommitOutcome::RolledBack),
    }
}

async fn committed(
    conn: &mut PgConnection,
    name: &RecordName,
    attempt: Uuid,
) -> sqlx::Result<bool> {
    let find = unnamed(
        "select true from idem.record \
         where scope = $1 and operation = $2 and key = $3 and attempt = $4",
    );
    let found = bind_name(find, name).bind(attempt).fetch_optional(conn);
    Ok(found.await?.is_some())
}
