//! Many messages in one transaction of PostgreSQL.
//!
//! Two statements claim a batch, as two messages claim one attempt: the locks, then the records, each for
//! all names as arrays. The second statement has a later snapshot. `with ordinality` keeps the order, so
//! the rows of both match the names by position.
//!
//! The second statement also returns a text that sets the settings of [`SETTINGS`] to their values of
//! this moment. It is run between two messages, so that what one handler sets by `SET LOCAL` does not
//! apply to the next.

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
            // As for one name: planned with sequential scans off, and a second statement sees what the
            // last holders of the locks have committed.
            let free = frequent(
                conn,
                "select pg_try_advisory_xact_lock(lock) from \
                   (select set_config('idem.seqscan', current_setting('enable_seqscan'), true), \
                     set_config('enable_seqscan', 'off', true)) as planned, \
                   unnest($1::bigint[]) with ordinality as name (lock, number) order by number",
            );
            let free = free.bind(locks).fetch_all(&mut *conn).await?;
            let rows = frequent(
                conn,
                "select set_config('enable_seqscan', current_setting('idem.seqscan'), true), \
                   (select string_agg(format('set_config(%L, %L, true)', setting, \
                     current_setting(setting)), ', ') from unnest($4::text[]) as setting) as between, \
                   exists(select from idem.dead_letter d where d.scope = name.scope \
                     and d.operation = name.operation and d.key = name.key) as has_failed, \
                   r.format, r.fingerprint_version, r.fingerprint, r.status, r.headers, \
                   r.body, r.reference, r.expires_at <= statement_timestamp() as expired, \
                   (extract(epoch from statement_timestamp() - r.created_at) * 1000)::bigint as age \
                 from unnest($1::text[], $2::text[], $3::text[]) with ordinality \
                   as name (scope, operation, key, number) \
                 left join idem.record r on r.scope = name.scope \
                   and r.operation = name.operation and r.key = name.key order by number",
            );
            let [scopes, operations, keys] = columns(names.iter().copied());
            let rows = rows.bind(scopes).bind(operations).bind(keys).bind(SETTINGS);
            let rows = rows.fetch_all(conn).await?;
            if let Some(row) = rows.first() {
                let settings: &str = row.try_get("between")?;
                attempt.between = format!("{}; select {settings}", attempt.users()?);
            }
            free.into_iter()
                .zip(&rows)
                .map(|(is_free, row)| {
                    Ok(MessageProbe {
                        is_free: is_free.try_get(0)?,
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
    let done = frequent(
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
         where r.expires_at <= statement_timestamp()",
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
    .execute(conn)
    .await?;
    Ok(usize::try_from(done.rows_affected()) == Ok(records.len()))
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
