//! Messages of SQLite that have failed.
//!
//! `returning` gives the new count of the upsert. Inside of the update a bare column is the old
//! value and `excluded` the new one, so `excluded.last_attempt_at` serves as the time of the
//! statement.

use futures_util::future::BoxFuture;
use sqlx::sqlite::SqliteConnection;
use sqlx::{FromRow, Sqlite};

use super::statement::bind_name;
use crate::model::record::RecordName;
use crate::store::dead_letters::{
    DeadLetterStore, NewAttempt, StoredDeadLetter, StoredDeadLetterCount,
};
use crate::store::records::{millis, status_column};

impl DeadLetterStore for Sqlite {
    fn count_attempt<'a>(
        conn: &'a mut SqliteConnection,
        attempt: &'a NewAttempt<'a>,
    ) -> BoxFuture<'a, sqlx::Result<i32>> {
        Box::pin(async move {
            let count = sqlx::query_scalar(
                "insert into idem_dead_letter (scope, operation, key, message_id, attempts, \
                   error, reference, payload, first_attempt_at, last_attempt_at, expires_at) \
                 select $1, $2, $3, $4, 1, $6, $7, $8, now, now, now + $9 \
                 from (select cast(unixepoch('subsec') * 1000 as integer) as now) where true \
                 on conflict (scope, operation, key) do update set \
                   attempts = case when parked_at is null \
                     and idem_dead_letter.expires_at <= excluded.last_attempt_at \
                     then 1 else attempts + $5 end, \
                   error = coalesce(excluded.error, error), \
                   reference = coalesce(excluded.reference, reference), \
                   payload = coalesce(excluded.payload, payload), \
                   last_attempt_at = excluded.last_attempt_at, expires_at = excluded.expires_at \
                 returning attempts",
            );
            count
                .bind(attempt.name.scope.as_str())
                .bind(attempt.name.operation.as_str())
                .bind(attempt.name.key.as_str())
                .bind(attempt.message_id)
                .bind(i32::from(attempt.is_new))
                .bind(attempt.error)
                .bind(attempt.reference)
                .bind(attempt.payload)
                .bind(millis(attempt.retention))
                .fetch_one(conn)
                .await
        })
    }

    fn park<'a>(
        conn: &'a mut SqliteConnection,
        name: &'a RecordName,
    ) -> BoxFuture<'a, sqlx::Result<()>> {
        Box::pin(async move {
            let park = sqlx::query(
                "update idem_dead_letter set redriven_at = null, \
                   parked_at = cast(unixepoch('subsec') * 1000 as integer) \
                 where scope = ? and operation = ? and key = ?",
            );
            bind_name(park, name).execute(conn).await.map(|_| ())
        })
    }

    fn delete_attempt_count<'a>(
        conn: &'a mut SqliteConnection,
        name: &'a RecordName,
    ) -> BoxFuture<'a, sqlx::Result<()>> {
        Box::pin(async move {
            let delete = sqlx::query(
                "delete from idem_dead_letter where scope = ? and operation = ? and key = ?",
            );
            bind_name(delete, name).execute(conn).await.map(|_| ())
        })
    }

    fn list_dead_letters<'a>(
        conn: &'a mut SqliteConnection,
        operation: &'a str,
        message_id: Option<&'a [u8]>,
        after: i64,
        limit: i64,
    ) -> BoxFuture<'a, sqlx::Result<Vec<StoredDeadLetter>>> {
        Box::pin(async move {
            let rows = sqlx::query(
                "select id, scope, key, message_id, attempts, error, reference, payload, \
                   parked_at, redriven_at from idem_dead_letter \
                 where operation = ?1 and parked_at is not null \
                   and (?2 is null or message_id = ?2) and id > ?3 order by id limit ?4",
            );
            let rows = rows
                .bind(operation)
                .bind(message_id)
                .bind(after)
                .bind(limit);
            rows.fetch_all(conn)
                .await?
                .iter()
                .map(StoredDeadLetter::from_row)
                .collect()
        })
    }

    fn redrive<'a>(
        conn: &'a mut SqliteConnection,
        name: &'a RecordName,
        id: i64,
        parked: u16,
    ) -> BoxFuture<'a, sqlx::Result<bool>> {
        Box::pin(async move {
            let mark = sqlx::query(
                "update idem_dead_letter set attempts = 0, \
                   redriven_at = cast(unixepoch('subsec') * 1000 as integer) \
                 where id = ? and parked_at is not null",
            );
            if mark.bind(id).execute(&mut *conn).await?.rows_affected() == 0 {
                return Ok(false);
            }
            let free = sqlx::query(
                "delete from idem_record \
                 where scope = ? and operation = ? and key = ? and status = ?",
            );
            let free = bind_name(free, name).bind(status_column(parked));
            free.execute(conn).await?;
            Ok(true)
        })
    }

    fn discard<'a>(
        conn: &'a mut SqliteConnection,
        _: &'a RecordName,
        id: i64,
    ) -> BoxFuture<'a, sqlx::Result<bool>> {
        Box::pin(async move {
            let delete =
                sqlx::query("delete from idem_dead_letter where id = ? and parked_at is not null");
            Ok(delete.bind(id).execute(conn).await?.rows_affected() == 1)
        })
    }

    fn count_dead_letters(conn: &mut SqliteConnection) -> BoxFuture<'_, sqlx::Result<i64>> {
        Box::pin(async move {
            let count = "select count(*) from idem_dead_letter where parked_at is not null";
            sqlx::query_scalar(count).fetch_one(conn).await
        })
    }

    fn count_dead_letters_by_operation(
        conn: &mut SqliteConnection,
    ) -> BoxFuture<'_, sqlx::Result<Vec<StoredDeadLetterCount>>> {
        Box::pin(async move {
            let counted = sqlx::query(
                "select operation, count(*) as letters, min(parked_at) as oldest \
                 from idem_dead_letter where parked_at is not null \
                 group by operation order by operation",
            );
            let counted = counted.fetch_all(conn).await?;
            counted
                .iter()
                .map(StoredDeadLetterCount::from_row)
                .collect()
        })
    }

    fn sweep_dead_letters(
        conn: &mut SqliteConnection,
        limit: i64,
    ) -> BoxFuture<'_, sqlx::Result<u64>> {
        Box::pin(async move {
            let delete = sqlx::query(
                "delete from idem_dead_letter where id in (select id from idem_dead_letter \
                   where parked_at is null and expires_at <= unixepoch('subsec') * 1000 \
                   order by expires_at limit ?)",
            );
            Ok(delete.bind(limit).execute(conn).await?.rows_affected())
        })
    }

    fn erase_dead_letters<'a>(
        conn: &'a mut SqliteConnection,
        scope: &'a str,
        limit: i64,
    ) -> BoxFuture<'a, sqlx::Result<u64>> {
        Box::pin(async move {
            let delete = sqlx::query(
                "delete from idem_dead_letter where id in \
                   (select id from idem_dead_letter where scope = ? limit ?)",
            );
            let delete = delete.bind(scope).bind(limit);
            Ok(delete.execute(conn).await?.rows_affected())
        })
    }
}

/// Whether a message has a row here: its attempts are counted.
pub(super) async fn is_counted(
    conn: &mut SqliteConnection,
    name: &RecordName,
) -> sqlx::Result<bool> {
    let counted = sqlx::query_scalar(
        "select exists(select 1 from idem_dead_letter \
           where scope = ? and operation = ? and key = ?)",
    );
    counted
        .bind(name.scope.as_str())
        .bind(name.operation.as_str())
        .bind(name.key.as_str())
        .fetch_one(conn)
        .await
}
