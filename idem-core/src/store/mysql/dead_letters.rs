//! Messages of MariaDB or MySQL that have failed.
//!
//! The count is an upsert and a reading, in one transaction: MySQL has no `returning`. The row is
//! locked in between, so no other worker's count gets into it.
//!
//! In the upsert an assignment sees the ones before it. `attempts` is set first, because it
//! compares the old `expires_at`, which is set last.

use futures_util::future::BoxFuture;
use sqlx::mysql::MySqlConnection;
use sqlx::{FromRow, MySql, Row};

use super::name::hex;
use super::statement::{after_reading, before_reading, bind_name, write};
use crate::model::record::RecordName;
use crate::store::dead_letters::{
    DeadLetterStore, NewAttempt, StoredDeadLetter, StoredDeadLetterCount,
};
use crate::store::records::{micros, status_column};

impl DeadLetterStore for MySql {
    fn count_attempt<'a>(
        conn: &'a mut MySqlConnection,
        attempt: &'a NewAttempt<'a>,
    ) -> BoxFuture<'a, sqlx::Result<i32>> {
        Box::pin(async move {
            // The server sets columns from left to right, and an expression reads what is set already.
            let count = sqlx::query(
                "insert into idem_dead_letter (scope, operation, `key`, message_id, attempts, \
                   error, reference, payload, first_attempt_at, last_attempt_at, expires_at) \
                 values (?, ?, ?, ?, 1, ?, ?, ?, utc_timestamp(6), utc_timestamp(6), \
                   utc_timestamp(6) + interval ? microsecond) \
                 on duplicate key update \
                   attempts = if(parked_at is null and expires_at <= utc_timestamp(6), \
                     1, attempts + ?), \
                   error = coalesce(values(error), error), \
                   reference = coalesce(values(reference), reference), \
                   payload = coalesce(values(payload), payload), \
                   last_attempt_at = values(last_attempt_at), expires_at = values(expires_at)",
            );
            bind_name(count, attempt.name)
                .bind(attempt.message_id)
                .bind(attempt.error)
                .bind(attempt.reference)
                .bind(attempt.payload)
                .bind(micros(attempt.retention))
                .bind(i32::from(attempt.is_new))
                .execute(&mut *conn)
                .await?;
            let read = sqlx::query(
                "select attempts from idem_dead_letter \
                 where scope = ? and operation = ? and `key` = ? limit 1",
            );
            let row = bind_name(read, attempt.name).fetch_one(conn).await?;
            row.try_get("attempts")
        })
    }

    fn park<'a>(
        conn: &'a mut MySqlConnection,
        name: &'a RecordName,
    ) -> BoxFuture<'a, sqlx::Result<()>> {
        Box::pin(async move {
            let park = sqlx::query(
                "update idem_dead_letter set parked_at = utc_timestamp(6), redriven_at = null \
                 where scope = ? and operation = ? and `key` = ?",
            );
            bind_name(park, name).execute(conn).await.map(|_| ())
        })
    }

    fn delete_attempt_count<'a>(
        conn: &'a mut MySqlConnection,
        name: &'a RecordName,
    ) -> BoxFuture<'a, sqlx::Result<()>> {
        Box::pin(async move {
            let delete = sqlx::query(
                "delete from idem_dead_letter where scope = ? and operation = ? and `key` = ?",
            );
            bind_name(delete, name).execute(conn).await.map(|_| ())
        })
    }

    fn list_dead_letters<'a>(
        conn: &'a mut MySqlConnection,
        operation: &'a str,
        message_id: Option<&'a [u8]>,
        after: i64,
        limit: i64,
    ) -> BoxFuture<'a, sqlx::Result<Vec<StoredDeadLetter>>> {
        Box::pin(async move {
            let rows = sqlx::query(
                "select id, convert(scope using utf8mb4) as scope, \
                   convert(`key` using utf8mb4) as `key`, message_id, attempts, error, reference, \
                   payload, \
                   timestampdiff(microsecond, '1970-01-01', parked_at) div 1000 as parked_at, \
                   timestampdiff(microsecond, '1970-01-01', redriven_at) div 1000 as redriven_at \
                 from idem_dead_letter \
                 where operation = ? and parked_at is not null \
                   and (? is null or message_id = ?) and id > ? order by id limit ?",
            );
            let rows = rows
                .bind(operation.as_bytes())
                .bind(message_id)
                .bind(message_id);
            let rows = rows.bind(after).bind(limit);
            before_reading(conn).await?;
            let rows = rows.fetch_all(&mut *conn).await?;
            after_reading(conn).await?;
            rows.iter().map(StoredDeadLetter::from_row).collect()
        })
    }

    fn redrive<'a>(
        conn: &'a mut MySqlConnection,
        name: &'a RecordName,
        id: i64,
        parked: u16,
    ) -> BoxFuture<'a, sqlx::Result<bool>> {
        Box::pin(async move {
            let mark = sqlx::query(
                "update idem_dead_letter set attempts = 0, redriven_at = utc_timestamp(6) \
                 where id = ? and parked_at is not null",
            );
            if mark.bind(id).execute(&mut *conn).await?.rows_affected() == 0 {
                return Ok(false);
            }
            let free = sqlx::query(
                "delete from idem_record \
                 where scope = ? and operation = ? and `key` = ? and status = ?",
            );
            let free = bind_name(free, name).bind(status_column(parked));
            free.execute(conn).await?;
            Ok(true)
        })
    }

    fn discard<'a>(
        conn: &'a mut MySqlConnection,
        _: &'a RecordName,
        id: i64,
    ) -> BoxFuture<'a, sqlx::Result<bool>> {
        Box::pin(async move {
            let delete =
                sqlx::query("delete from idem_dead_letter where id = ? and parked_at is not null");
            Ok(delete.bind(id).execute(conn).await?.rows_affected() == 1)
        })
    }

    fn count_dead_letters(conn: &mut MySqlConnection) -> BoxFuture<'_, sqlx::Result<i64>> {
        Box::pin(async move {
            let count = "select count(*) from idem_dead_letter where parked_at is not null limit 1";
            before_reading(conn).await?;
            let letters = sqlx::query_scalar(count).fetch_one(&mut *conn).await?;
            after_reading(conn).await?;
            Ok(letters)
        })
    }

    fn count_dead_letters_by_operation(
        conn: &mut MySqlConnection,
    ) -> BoxFuture<'_, sqlx::Result<Vec<StoredDeadLetterCount>>> {
        Box::pin(async move {
            let counted = sqlx::query(
                "select convert(operation using utf8mb4) as operation, count(*) as letters, \
                   timestampdiff(microsecond, '1970-01-01', min(parked_at)) div 1000 as oldest \
                 from idem_dead_letter where parked_at is not null \
                 group by idem_dead_letter.operation order by idem_dead_letter.operation \
                 limit 18446744073709551615",
            );
            before_reading(conn).await?;
            let counted = counted.fetch_all(&mut *conn).await?;
            after_reading(conn).await?;
            counted
                .iter()
                .map(StoredDeadLetterCount::from_row)
                .collect()
        })
    }

    fn sweep_dead_letters(
        conn: &mut MySqlConnection,
        limit: i64,
    ) -> BoxFuture<'_, sqlx::Result<u64>> {
        Box::pin(async move {
            let sweep = format!(
                "/*M!100000 set statement sql_safe_updates = 0 for */ delete d from \
                   (select id from idem_dead_letter \
                     where parked_at is null and expires_at <= utc_timestamp(6) \
                     order by expires_at limit {limit} for update skip locked) as expired \
                 straight_join idem_dead_letter as d on d.id = expired.id"
            );
            write(conn, &sweep).await
        })
    }

    fn erase_dead_letters<'a>(
        conn: &'a mut MySqlConnection,
        scope: &'a str,
        limit: i64,
    ) -> BoxFuture<'a, sqlx::Result<u64>> {
        Box::pin(async move {
            let scope = hex(scope.as_bytes());
            let erase = format!("delete from idem_dead_letter where scope = {scope} limit {limit}");
            write(conn, &erase).await
        })
    }
}
