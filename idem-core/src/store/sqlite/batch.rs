//! Many messages in one transaction of SQLite.
//!
//! SQLite has no arrays, so all names are one parameter: a JSON array, which `json_each` turns into
//! rows. Bytes are hexadecimal text in it. The `key` of `json_each` is the position, which keeps
//! the order.
//!
//! `where true` in the insert is needed by the grammar: without it `on conflict` would be read as
//! the condition of a join (<https://www.sqlite.org/lang_upsert.html>, "Parsing Ambiguity").

use futures_util::future::BoxFuture;
use serde_json::json;
use sqlx::sqlite::SqliteConnection;
use sqlx::{Row, Sqlite};

use super::error::fault;
use super::open_attempt::OpenAttempt;
use crate::model::record::RecordName;
use crate::store::batch::{BatchStore, MessageProbe};
use crate::store::fault::Fault;
use crate::store::hex::push_hex;
use crate::store::records::{FORMAT, NewRecord, millis};
use crate::store::row::joined_record;

impl BatchStore for Sqlite {
    fn claim_all<'a>(
        conn: &'a mut SqliteConnection,
        _: &'a mut OpenAttempt,
        names: &'a [&'a RecordName],
    ) -> BoxFuture<'a, sqlx::Result<Vec<MessageProbe>>> {
        Box::pin(async move {
            let rows = sqlx::query(
                "select exists(select 1 from idem_dead_letter as d \
                     where d.scope = name.value ->> 0 and d.operation = name.value ->> 1 \
                       and d.key = name.value ->> 2) as has_failed, \
                   r.format, r.fingerprint_version, r.fingerprint, r.status, r.headers, r.body, \
                   r.reference, r.expires_at <= unixepoch('subsec') * 1000 as expired, \
                   cast(unixepoch('subsec') * 1000 as integer) - r.created_at as age \
                 from json_each(?) as name left join idem_record as r \
                   on r.scope = name.value ->> 0 and r.operation = name.value ->> 1 \
                   and r.key = name.value ->> 2 \
                 order by name.key",
            );
            let names: Vec<_> = names.iter().map(|name| parts(name)).collect();
            let rows = rows.bind(json!(names).to_string()).fetch_all(conn).await?;
            rows.iter()
                .map(|row| {
                    Ok(MessageProbe {
                        is_free: true,
                        found: joined_record(row)?,
                        has_failed: row.try_get("has_failed")?,
                    })
                })
                .collect()
        })
    }

    fn insert_all<'a>(
        conn: &'a mut SqliteConnection,
        records: &'a [NewRecord<'a>],
    ) -> BoxFuture<'a, sqlx::Result<bool>> {
        Box::pin(async move {
            let Some(first) = records.first() else {
                return Ok(true);
            };
            let done = sqlx::query(
                "insert into idem_record (scope, operation, key, attempt, format, \
                   fingerprint_version, fingerprint, status, headers, body, reference, \
                   created_at, expires_at) \
                 select name.value ->> 0, name.value ->> 1, name.value ->> 2, \
                   unhex(name.value ->> 3), $2, name.value ->> 4, unhex(name.value ->> 5), $3, \
                   x'', x'', name.value ->> 6, now, now + $4 \
                 from json_each($1) as name, \
                   (select cast(unixepoch('subsec') * 1000 as integer) as now) where true \
                 on conflict (scope, operation, key) do update set \
                   attempt = excluded.attempt, format = excluded.format, \
                   fingerprint_version = excluded.fingerprint_version, \
                   fingerprint = excluded.fingerprint, status = excluded.status, \
                   headers = excluded.headers, body = excluded.body, \
                   reference = excluded.reference, created_at = excluded.created_at, \
                   expires_at = excluded.expires_at \
                 where idem_record.expires_at <= excluded.created_at",
            );
            let rows = records.iter().map(|record| {
                let [scope, operation, key] = parts(record.name);
                let (version, digest) = record.fingerprint.stored();
                let attempt = hex(record.attempt.as_bytes());
                let reference = record.reference();
                json!([
                    scope,
                    operation,
                    key,
                    attempt,
                    version,
                    hex(digest),
                    reference
                ])
            });
            let done = done
                .bind(rows.collect::<serde_json::Value>().to_string())
                .bind(FORMAT)
                .bind(first.status())
                .bind(millis(first.ttl))
                .execute(conn)
                .await?;
            Ok(usize::try_from(done.rows_affected()) == Ok(records.len()))
        })
    }

    fn savepoint<'a>(
        conn: &'a mut SqliteConnection,
        text: &'static str,
    ) -> BoxFuture<'a, sqlx::Result<bool>> {
        Box::pin(async move {
            match sqlx::raw_sql(text).execute(conn).await {
                // The hooks reject a handler's COMMIT, so the transaction was rolled back.
                Err(error) if fault(&error) == Fault::GuardLost => Ok(false),
                done => done.map(|_| true),
            }
        })
    }
}

fn parts(name: &RecordName) -> [&str; 3] {
    [
        name.scope.as_str(),
        name.operation.as_str(),
        name.key.as_str(),
    ]
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    push_hex(&mut text, bytes);
    text
}
