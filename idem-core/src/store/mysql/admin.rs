//! The records of MariaDB and MySQL as operators see them.
//!
//! Columns are bytes and are converted to `utf8mb4` in the result only. Orders and groups name the columns
//! of the table: an alias of the same name is the converted text, whose collation takes `Billing` for
//! `billing`. Times are UTC without a zone, so they are subtracted from a literal; `unix_timestamp` would
//! read them in the session's zone.

use futures_util::future::BoxFuture;
use sqlx::mysql::MySqlConnection;
use sqlx::{FromRow, MySql};

use super::statement::{after_reading, before_reading, bind_name};
use crate::model::record::RecordName;
use crate::model::record_filter::RecordFilter;
use crate::store::admin::{AdminStore, StoredRecordCount, StoredRecordView};

impl AdminStore for MySql {
    fn list_records<'a>(
        conn: &'a mut MySqlConnection,
        filter: &'a RecordFilter,
        after: [&'a str; 3],
        limit: i64,
    ) -> BoxFuture<'a, sqlx::Result<Vec<StoredRecordView>>> {
        Box::pin(async move {
            let mut rows = sqlx::query(
                "select convert(scope using utf8mb4) as scope, \
                   convert(operation using utf8mb4) as operation, \
                   convert(`key` using utf8mb4) as `key`, status, reference, \
                   timestampdiff(microsecond, '1970-01-01', created_at) div 1000 as created_at, \
                   timestampdiff(microsecond, '1970-01-01', expires_at) div 1000 as expires_at, \
                   expires_at <= utc_timestamp(6) as expired, \
                   timestampdiff(microsecond, '1970-01-01', refused_until) div 1000 as refused_until, \
                   cast(length(headers) + length(`body`) as signed) as bytes \
                 from idem_record \
                 where (? is null or scope = ?) and (? is null or operation = ?) \
                   and (? is null or `key` = ?) and (scope, operation, `key`) > (?, ?, ?) \
                 order by idem_record.scope, idem_record.operation, idem_record.`key` limit ?",
            );
            for part in filter.parts() {
                let part = part.map(str::as_bytes);
                rows = rows.bind(part).bind(part);
            }
            for part in after {
                rows = rows.bind(part.as_bytes());
            }
            before_reading(conn).await?;
            let rows = rows.bind(limit).fetch_all(&mut *conn).await?;
            after_reading(conn).await?;
            rows.iter().map(StoredRecordView::from_row).collect()
        })
    }

    fn count_records(
        conn: &mut MySqlConnection,
    ) -> BoxFuture<'_, sqlx::Result<Vec<StoredRecordCount>>> {
        Box::pin(async move {
            let rows = sqlx::query(
                "select convert(operation using utf8mb4) as operation, status, \
                   expires_at <= utc_timestamp(6) as expired, \
                   cast(case when created_at > utc_timestamp(6) - interval 1 hour then 0 \
                     when created_at > utc_timestamp(6) - interval 1 day then 1 \
                     else 2 end as signed) as age, count(*) as records \
                 from idem_record group by idem_record.operation, 2, 3, 4 \
                 order by idem_record.operation, 2, 3, 4 \
                 limit 18446744073709551615",
            );
            before_reading(conn).await?;
            let rows = rows.fetch_all(&mut *conn).await?;
            after_reading(conn).await?;
            rows.iter().map(StoredRecordCount::from_row).collect()
        })
    }

    fn count_of_scope<'a>(
        conn: &'a mut MySqlConnection,
        scope: &'a str,
    ) -> BoxFuture<'a, sqlx::Result<[i64; 2]>> {
        Box::pin(async move {
            let counts = sqlx::query_as(
                "select (select count(*) from idem_record where scope = ?), \
                   (select count(*) from idem_dead_letter where scope = ?) limit 1",
            );
            let scope = scope.as_bytes();
            before_reading(conn).await?;
            let counts = counts.bind(scope).bind(scope).fetch_one(&mut *conn).await?;
            after_reading(conn).await?;
            let (records, messages) = counts;
            Ok([records, messages])
        })
    }

    fn invalidate<'a>(
        conn: &'a mut MySqlConnection,
        name: &'a RecordName,
    ) -> BoxFuture<'a, sqlx::Result<bool>> {
        Box::pin(async move {
            let delete = sqlx::query(
                "delete from idem_record where scope = ? and operation = ? and `key` = ?",
            );
            let done = bind_name(delete, name).execute(&mut *conn).await?;
            let forget = sqlx::query("delete from idem_tombstone where digest = ?");
            let forgotten = forget.bind(name.tombstone()).execute(conn).await?;
            Ok(done.rows_affected() + forgotten.rows_affected() > 0)
        })
    }
}
