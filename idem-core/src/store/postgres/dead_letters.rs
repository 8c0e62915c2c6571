//! Messages of PostgreSQL that have failed.
//!
//! The count is an upsert that returns the new number, so two workers that count at once wait for each
//! other and both count. The row's lock lasts until COMMIT, which stores the record too if the message is
//! parked.
//!
//! These statements are rare, so none of them has a name on the server. They run inside of an attempt's
//! transaction, or in an [`OwnTransaction`].

use futures_util::future::BoxFuture;
use sqlx::postgres::PgConnection;
use sqlx::{FromRow, Postgres, Row};

use super::deletion::{RECORD_NAME, delete_expired, delete_of_scope};
use super::statement::{OwnTransaction, bind_name, interval, rows, unnamed, value};
use crate::model::record::RecordName;
use crate::store::dead_letters::{
    DeadLetterStore, NewAttempt, StoredDeadLetter, StoredDeadLetterCount,
};
use crate::store::records::status_column;

impl DeadLetterStore for Postgres {
    fn count_attempt<'a>(
        conn: &'a mut PgConnection,
        attempt: &'a NewAttempt<'a>,
    ) -> BoxFuture<'a, sqlx::Result<i32>> {
        Box::pin(async move {
            let count = unnamed(
                "insert into idem.dead_letter as d (scope, operation, key, message_id, attempts, \
                   error, reference, payload, expires_at) \
                 values ($1, $2, $3, $4, 1, $6, $7, $8, clock_timestamp() + $9) \
                 on conflict (scope, operation, key) do update set \
                   attempts = case when d.parked_at is null \
                     and d.expires_at <= excluded.first_attempt_at then 1 else d.attempts + $5 end, \
                   error = coalesce(excluded.error, d.error), \
                   reference = coalesce(excluded.reference, d.reference), \
                   payload = coalesce(excluded.payload, d.payload), \
                   last_attempt_at = excluded.last_attempt_at, expires_at = excluded.expires_at \
                 returning attempts",
            );
            let row = bind_name(count, attempt.name)
                .bind(attempt.message_id)
                .bind(i32::from(attempt.is_new))
                .bind(attempt.error)
                .bind(attempt.reference)
                .bind(attempt.payload)
                .bind(interval(attempt.retention))
                .fetch_one(conn)
                .await?;
            row.try_get("attempts")
        })
    }

    fn park<'a>(
        conn: &'a mut PgConnection,
        name: &'a RecordName,
    ) -> BoxFuture<'a, sqlx::Result<()>> {
        Box::pin(async move {
            let park = unnamed(
                "update idem.dead_letter set parked_at = statement_timestamp(), redriven_at = null \
                 where scope = $1 and operation = $2 and key = $3",
            );
            bind_name(park, name).execute(conn).await.map(|_| ())
        })
    }

    fn delete_attempt_count<'a>(
        conn: &'a mut PgConnection,
        name: &'a RecordName,
    ) -> BoxFuture<'a, sqlx::Result<()>> {
        Box::pin(async move {
            let delete = unnamed(
                "delete from idem.dead_letter where scope = $1 and operation = $2 and key = $3",
            );
            bind_name(delete, name).execute(conn).await.map(|_| ())
        })
    }

    fn list_dead_letters<'a>(
        conn: &'a mut PgConnection,
        operation: &'a str,
        message_id: Option<&'a [u8]>,
        after: i64,
        limit: i64,
    ) -> BoxFuture<'a, sqlx::Result<Vec<StoredDeadLetter>>> {
        Box::pin(async move {
            let own = OwnTransaction::begin(conn).await?;
            let rows = unnamed(
                "select id, scope, key, message_id, attempts, error, reference, payload, \
                   (extract(epoch from parked_at) * 1000)::bigint as parked_at, \
                   (extract(epoch from redriven_at) * 1000)::bigint as redriven_at \
                 from idem.dead_letter \
                 where operation = $1 and parked_at is not null \
                   and ($2::bytea is null or message_id = $2) and id > $3 order by id limit $4",
            );
            let rows = rows
                .bind(operation)
                .bind(message_id)
                .bind(after)
                .bind(limit);
            let rows = rows.fetch_all(&mut *conn).await;
            own.end(conn, rows)
                .await?
                .iter()
                .map(StoredDeadLetter::from_row)
                .collect()
        })
    }

    fn redrive<'a>(
        conn: &'a mut PgConnection,
        name: &'a RecordName,
        id: i64,
        parked: u16,
    ) -> BoxFuture<'a, sqlx::Result<bool>> {
        Box::pin(async move {
            let mark = unnamed(
                "update idem.dead_letter set attempts = 0, redriven_at = statement_timestamp() \
                 where scope = $1 and operation = $2 and key = $3 and id = $4 \
                   and parked_at is not null",
            );
            let mark = bind_name(mark, name).bind(id);
            if mark.execute(&mut *conn).await?.rows_affected() == 0 {
                return Ok(false);
            }
            let free = unnamed(
                "delete from idem.record \
                 where scope = $1 and operation = $2 and key = $3 and status = $4",
            );
            let free = bind_name(free, name).bind(status_column(parked));
            free.execute(conn).await?;
            Ok(true)
        })
    }

    fn discard<'a>(
        conn: &'a mut PgConnection,
        name: &'a RecordName,
        id: i64,
    ) -> BoxFuture<'a, sqlx::Result<bool>> {
        Box::pin(async move {
            let delete = unnamed(
                "delete from idem.dead_letter \
                 where scope = $1 and operation = $2 and key = $3 and id = $4 \
                   and parked_at is not null",
            );
            let delete = bind_name(delete, name).bind(id);
            Ok(delete.execute(conn).await?.rows_affected() == 1)
        })
    }

    fn count_dead_letters(conn: &mut PgConnection) -> BoxFuture<'_, sqlx::Result<i64>> {
        Box::pin(async move {
            let count = "select count(*) from idem.dead_letter where parked_at is not null";
            value(conn, count.to_owned()).await
        })
    }

    fn count_dead_letters_by_operation(
        conn: &mut PgConnection,
    ) -> BoxFuture<'_, sqlx::Result<Vec<StoredDeadLetterCount>>> {
        Box::pin(async move {
            let counted = rows(
                conn,
                "select operation, count(*) as letters, \
                   (extract(epoch from min(parked_at)) * 1000)::bigint as oldest \
                 from idem.dead_letter where parked_at is not null \
                 group by operation order by operation",
            );
            let counted = counted.await?;
            counted
                .iter()
                .map(StoredDeadLetterCount::from_row)
                .collect()
        })
    }

    fn sweep_dead_letters(conn: &mut PgConnection, limit: i64) -> BoxFuture<'_, sqlx::Result<u64>> {
        Box::pin(delete_expired(
            conn,
            "idem.dead_letter",
            RECORD_NAME,
            EXPIRED,
            limit,
        ))
    }

    fn erase_dead_letters<'a>(
        conn: &'a mut PgConnection,
        scope: &'a str,
        limit: i64,
    ) -> BoxFuture<'a, sqlx::Result<u64>> {
        Box::pin(delete_of_scope(conn, "idem.dead_letter", scope, limit))
    }
}

/// The counts that a sweep deletes.
const EXPIRED: &str = "parked_at is null and expires_at <= statement_timestamp()";
