//! The records of SQLite: finding one, storing one, and what became of a lost COMMIT.
//!
//! Times are whole milliseconds since 1970 in integers. `unixepoch('subsec')` is the same
//! throughout one statement (<https://www.sqlite.org/lang_datefunc.html>), so `created_at` and
//! `expires_at` differ by exactly the ttl.

use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, FromRow};
use uuid::Uuid;

use super::statement::bind_name;
use crate::model::record::RecordName;
use crate::store::records::{CommitOutcome, NewRecord, StoredRecord, millis};

/// Reads a record.
pub(super) async fn find(
    conn: &mut SqliteConnection,
    name: &RecordName,
) -> sqlx::Result<Option<StoredRecord>> {
    let find = sqlx::query(
        "select format, fingerprint_version, fingerprint, status, headers, body, \
                reference, expires_at <= unixepoch('subsec') * 1000 as expired, \
                cast(unixepoch('subsec') * 1000 as integer) - created_at as age \
         from idem_record where scope = ? and operation = ? and key = ?",
    );
    let row = bind_name(find, name).fetch_optional(conn).await?;
    row.as_ref().map(StoredRecord::from_row).transpose()
}

/// Whether a late retry is refused: by its expired record, or by its tombstone.
pub(super) async fn is_refused(
    conn: &mut SqliteConnection,
    name: &RecordName,
) -> sqlx::Result<bool> {
    let find = sqlx::query_scalar(
        "select exists(select 1 from idem_record where scope = ?1 and operation = ?2 and key = ?3 \
             and expires_at <= now and refused_until > now) \
           or exists(select 1 from idem_tombstone where digest = ?4 and expires_at > now) \
         from (select unixepoch('subsec') * 1000 as now)",
    );
    find.bind(name.scope.as_str())
        .bind(name.operation.as_str())
        .bind(name.key.as_str())
        .bind(name.tombstone())
        .fetch_one(conn)
        .await
}

/// Inserts a record, or replaces one that has expired. One that still refuses its key counts as live, for
/// an operation that refuses late retries.
pub(super) async fn insert(
    conn: &mut SqliteConnection,
    record: &NewRecord<'_>,
) -> sqlx::Result<bool> {
    let (version, digest) = record.fingerprint();
    let [columns, values, assignments, if_not_refused] = match record.refusal {
        None => [""; 4],
        Some(_) => [
            ", refused_until, tombstone",
            ", cast(unixepoch('subsec') * 1000 as integer) + ?, ?",
            ", refused_until = excluded.refused_until, tombstone = excluded.tombstone",
            "and (idem_record.refused_until is null \
               or idem_record.refused_until <= unixepoch('subsec') * 1000)",
        ],
    };
    let if_expired = "where idem_record.expires_at <= unixepoch('subsec') * 1000";
    let insert = format!(
        "insert into idem_record (scope, operation, key, attempt, format, \
           fingerprint_version, fingerprint, status, headers, body, reference, \
           created_at, expires_at{columns}) \
         values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, \
           cast(unixepoch('subsec') * 1000 as integer), \
           cast(unixepoch('subsec') * 1000 as integer) + ?{values}) \
         on conflict (scope, operation, key) do update set \
           attempt = excluded.attempt, format = excluded.format, \
           fingerprint_version = excluded.fingerprint_version, \
           fingerprint = excluded.fingerprint, status = excluded.status, \
           headers = excluded.headers, body = excluded.body, \
           reference = excluded.reference, created_at = excluded.created_at, \
           expires_at = excluded.expires_at{assignments} \
         {if_expired} {if_not_refused}"
    );
    let mut insert = bind_name(sqlx::query(AssertSqlSafe(insert)), record.name)
        .bind(record.attempt)
        .bind(record.format())
        .bind(version)
        .bind(digest)
        .bind(record.status())
        .bind(record.headers())
        .bind(record.body())
        .bind(record.reference())
        .bind(millis(record.ttl));
    if let Some(refusal) = record.refusal {
        insert = insert
            .bind(millis(record.ttl + refusal))
            .bind(record.name.tombstone());
    }
    let done = insert.execute(conn).await?;
    Ok(done.rows_affected() == 1)
}

/// What became of an attempt, by its record.
///
/// There is no [`CommitOutcome::Running`]: the file has one writer, and its connection is gone.
pub(super) async fn commit_outcome(
    conn: &mut SqliteConnection,
    name: &RecordName,
    attempt: Uuid,
) -> sqlx::Result<CommitOutcome> {
    let committed: bool = sqlx::query_scalar(
        "select exists(select 1 from idem_record \
           where scope = ? and operation = ? and key = ? and attempt = ?)",
    )
    .bind(name.scope.as_str())
    .bind(name.operation.as_str())
    .bind(name.key.as_str())
    .bind(attempt)
    .fetch_one(conn)
    .await?;
    // The connection of the lost COMMIT is closed by now, so its transaction has ended.
    Ok(if committed {
        CommitOutcome::Committed
    } else {
        CommitOutcome::RolledBack
    })
}
