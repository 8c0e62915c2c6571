//! Many messages in one transaction of PostgreSQL.
//!
//! The function `idem.claim_all` (`migrations/postgres/0004_step.sql`) claims a batch, for all names as
//! arrays: the locks, then the records by a query with a later snapshot. Its rows match the names by
//! position.
//!
//! It also returns a text that sets the settings of [`SETTINGS`] to their values of this moment. That is
//! run between two messages, so that what one handler sets by `SET LOCAL` does not apply to the next.

use futures_util::future::BoxFuture;
use sqlx::postgres::PgConnection;
use sqlx::{Postgres, Row};

use super::error::is_about_names;
use super::open_attempt::OpenAttempt;
use super::statement::{frequent, interval, run, store_without_names};
use crate::model::record::RecordName;
use crate::store::batch::{BatchStore, MessageProbe, RELEASE_SAVEPOINT, SET_SAVEPOINT};
use crate::store::records::{FORMAT, NewRecord};
use crate::store::row::joined_record;

impl BatchStore for Postgres {
    fn claim_all<'a>(
        conn: &'a mut PgConnection,
        attempt: &'a mut OpenAttempt,
        names: &'a [&'a RecordName],
    ) -> BoxFuture<'a, sqlx::Result<Vec<MessageProbe>>> {
        Box::pin(async move {
            let locks: Vec<i64> = names.iter().map(|name| name.lock_id()).collect();
            let claim = frequent(conn, "select * from idem.claim_all($1, $2, $3, $4, $5)");
            let [scopes, operations, keys] = columns(names.iter().copied());
            let claim = claim.bind(scopes).bind(operations).bind(keys);
            let rows = claim.bind(locks).bind(SETTINGS).fetch_all(conn).await?;
            if let Some(row) = rows.first() {
                let settings: &str = row.try_get("restores")?;
                attempt.between = format!("{}; select {settings}", attempt.users()?);
            }
            rows.iter()
                .map(|row| {
                    Ok(MessageProbe {
                        is_free: row.try_get("is_free")?,
                        found: joined_record(row)?,
                        has_failed: row.try_get("has_failed")?,
                    })
                })
                .collect()
        })
    }

    fn insert_all<'a>(
        conn: &'a mut PgConnection,
        records: &'a [NewRecord<'a>],
    ) -> BoxFuture<'a, sqlx::Result<bool>> {
        Box::pin(async move {
            match insert_all(conn, records).await {
                Err(error) if is_about_names(&error) => {
                    store_without_names(conn).await.map_err(|_| error)?;
                    insert_all(conn, records).await
                }
                inserted => inserted,
            }
        })
    }

    ///
    /// Release, restoration and the next savepoint are one message: a message of a batch costs one round
    /// trip. The settings are restored after the release, because a later rollback to a savepoint would
    /// undo a restoration that happened behind it.
    fn next_savepoint<'a>(
        conn: &'a mut PgConnection,
        attempt: &'a OpenAttempt,
    ) -> BoxFuture<'a, sqlx::Result<bool>> {
        let text = format!("{RELEASE_SAVEPOINT}; {}; {SET_SAVEPOINT}", attempt.between);
        Box::pin(async move { run(conn, text).await.map(|_| true) })
    }

    fn savepoint<'a>(
        conn: &'a mut PgConnection,
        text: &'static str,
    ) -> BoxFuture<'a, sqlx::Result<bool>> {
        // A transaction that has failed keeps its savepoints.
        Box::pin(async move {
            sqlx::raw_sql(text).execute(conn).await?;
            Ok(true)
        })
    }
}

/// Inserts all records with one statement, and reports whether each row has changed.
///
/// It counts the rows that come back: the number that Citus reports for such a statement is that of the
/// rows selected, whatever became of them.
///
/// Fewer rows mean that one record lost its race. The caller rolls the whole batch back, and its
/// messages are then handled one by one, so that only the duplicate is left out.
async fn insert_all(conn: &mut PgConnection, records: &[NewRecord<'_>]) -> sqlx::Result<bool> {
    let Some(first) = records.first() else {
        return Ok(true);
    };
    let [scopes, operations, keys] = columns(records.iter().map(|record| record.name));
    let prints = records.iter().map(|record| record.fingerprint.stored());
    let (versions, digests): (Vec<i16>, Vec<&[u8]>) = prints.unzip();
    let attempts: Vec<_> = records.iter().map(|record| record.attempt).collect();
    let references = records.iter().map(|record| record.reference());
    let stored = frequent(
        conn,
        "insert into idem.record as r (scope, operation, key, attempt, \
           fingerprint_version, fingerprint, reference, format, status, headers, body, \
           expires_at) \
         select name.*, $8, $9, '', '', clock_timestamp() + $10 \
         from unnest($1::text[], $2::text[], $3::text[], $4::uuid[], $5::smallint[], \
           $6::bytea[], $7::text[]) as name \
         on conflict (scope, operation, key) do update set \
           attempt = excluded.attempt, format = excluded.format, \
           fingerprint_version = excluded.fingerprint_version, \
           fingerprint = excluded.fingerprint, status = excluded.status, \
           headers = excluded.headers, body = excluded.body, \
           reference = excluded.reference, created_at = excluded.created_at, \
           expires_at = excluded.expires_at \
         where r.expires_at <= excluded.created_at returning true",
    )
    .bind(scopes)
    .bind(operations)
    .bind(keys)
    .bind(attempts)
    .bind(versions)
    .bind(digests)
    .bind(references.collect::<Vec<_>>())
    .bind(FORMAT)
    .bind(first.status())
    .bind(interval(first.ttl))
    .fetch_all(conn)
    .await?;
    Ok(stored.len() == records.len())
}

/// The settings that handlers are likely to change for their transaction.
///
/// To compare all settings takes longer than most messages, and the server does not list an
/// application's own, such as `app.tenant`.
const SETTINGS: &[&str] = &[
    "search_path",
    "statement_timeout",
    "lock_timeout",
    "idle_in_transaction_session_timeout",
    "row_security",
    "TimeZone",
    "DateStyle",
    "IntervalStyle",
    "work_mem",
    "synchronous_commit",
    "default_transaction_read_only",
    "client_min_messages",
];

fn columns<'a>(names: impl Iterator<Item = &'a RecordName>) -> [Vec<&'a str>; 3] {
    let mut columns = [Vec::new(), Vec::new(), Vec::new()];
    for name in names {
        let [scopes, operations, keys] = &mut columns;
        scopes.push(name.scope.as_str());
        operations.push(name.operation.as_str());
        keys.push(name.key.as_str());
    }
    columns
}
