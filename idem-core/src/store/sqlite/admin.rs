//! The records of SQLite as operators see them.
//!
//! Text is compared by its bytes (collation `binary`, the default), so pages have the same order as
//! elsewhere. A reading in WAL mode sees the last commit and waits for no writer.

use futures_util::future::BoxFuture;
use sqlx::sqlite::SqliteConnection;
use sqlx::{FromRow, Sqlite};

use super::statement::bind_name;
use crate::model::record::RecordName;
use crate::model::record_filter::RecordFilter;
use crate::store::admin::{AdminStore, StoredRecordCount, StoredRecordView};

impl AdminStore for Sqlite {
    fn list_records<'a>(
        conn: &'a mut SqliteConnection,
        filter: &'a RecordFilter,
        after: [&'a str; 3],
        limit: i64,
    ) -> BoxFuture<'a, sqlx::Result<Vec<StoredRecordView>>> {
        Box::pin(async move {
            let [scope, operation, key] = after;
            let rows = sqlx::query(
                "select scope, operation, key, status, reference, created_at, expires_at, \
                   expires_at <= unixepoch('subsec') * 1000 as expired, refused_until, \
                   length(headers) + length(body) as bytes \
                 from idem_record \
                 where (?1 is null or scope = ?1) and (?2 is null or operation = ?2) \
                   and (?3 is null or key = ?3) and (scope, operation, key) > (?4, ?5, ?6) \
                 order by scope, operation, key limit ?7",
            );
            let [in_scope, of_operation, with_key] = filter.parts();
            let rows = rows.bind(in_scope).bind(of_operation).bind(with_key);
            let rows = rows.bind(scope).bind(operation).bind(key).bind(limit);
            let rows = rows.fetch_all(conn).await?;
            rows.iter().map(StoredRecordView::from_row).collect()
        })
    }

    fn count_records(
        conn: &mut SqliteConnection,
    ) -> BoxFuture<'_, sqlx::Result<Vec<StoredRecordCount>>> {
        Box::pin(async move {
            let rows = sqlx::query(
                "select operation, status, expires_at <= now as expired, \
                   case when created_at > now - 3600000 then 0 \
                     when created_at > now - 86400000 then 1 else 2 end as age, \
                   count(*) as records \
                 from idem_record, (select unixepoch('subsec') * 1000 as now) \
                 group by 1, 2, 3, 4 order by 1, 2, 3, 4",
            );
            let rows = rows.fetch_all(conn).await?;
            rows.iter().map(StoredRecordCount::from_row).collect()
        })
    }

    fn count_of_scope<'a>(
        conn: &'a mut SqliteConnection,
        scope: &'a str,
    ) -> BoxFuture<'a, sqlx::Result<[i64; 2]>> {
        Box::pin(async move {
            let counts = sqlx::query_as(
                "select (select count(*) from idem_record where scope = ?1), \
                   (select count(*) from idem_dead_letter where scope = ?1)",
            );
            let (records, messages) = counts.bind(scope).fetch_one(conn).await?;
            Ok([records, messages])
        })
    }

    fn invalidate<'a>(
        conn: &'a mut SqliteConnection,
        name: &'a RecordName,
    ) -> BoxFuture<'a, sqlx::Result<bool>> {
        Box::pin(async move {
            let delete = sqlx::query(
                "delete from idem_record where scope = ? and operation = ? and key = ?",
            );
            let done = bind_name(delete, name).execute(&mut *conn).await?;
            let forget = sqlx::query("delete from idem_tombstone where digest = ?");
            let forgotten = forget.bind(name.tombstone()).execute(conn).await?;
            Ok(done.rows_affected() + forgotten.rows_affected() > 0)
        })
    }
}
