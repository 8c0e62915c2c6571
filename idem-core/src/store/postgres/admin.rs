//! The records of PostgreSQL as operators see them.

use futures_util::future::BoxFuture;
use sqlx::postgres::PgConnection;
use sqlx::{FromRow, Postgres, Row};

use super::statement::{OwnTransaction, bind_name, rows, unnamed};
use crate::model::record::RecordName;
use crate::model::record_filter::RecordFilter;
use crate::store::admin::{AdminStore, StoredRecordCount, StoredRecordView};

impl AdminStore for Postgres {
    fn list_records<'a>(
        conn: &'a mut PgConnection,
        filter: &'a RecordFilter,
        after: [&'a str; 3],
        limit: i64,
    ) -> BoxFuture<'a, sqlx::Result<Vec<StoredRecordView>>> {
        Box::pin(async move {
            let [scope, operation, key] = after;
            let own = OwnTransaction::begin(conn).await?;
            let rows = unnamed(
                "select scope, operation, key, status, reference, \
                   (extract(epoch from created_at) * 1000)::bigint as created_at, \
                   (extract(epoch from expires_at) * 1000)::bigint as expires_at, \
                   expires_at <= statement_timestamp() as expired, \
                   (extract(epoch from refused_until) * 1000)::bigint as refused_until, \
                   (octet_length(headers) + octet_length(body))::bigint as bytes \
                 from idem.record \
                 where ($1::text is null or scope = $1) and ($2::text is null or operation = $2) \
                   and ($3::text is null or key = $3) \
                   and (scope, operation, key) > ($4 collate \"C\", $5 collate \"C\", $6 collate \"C\") \
                 order by scope, operation, key limit $7",
            );
            let [in_scope, of_operation, with_key] = filter.parts();
            let rows = rows.bind(in_scope).bind(of_operation).bind(with_key);
            let rows = rows.bind(scope).bind(operation).bind(key).bind(limit);
            let rows = rows.fetch_all(&mut *conn).await;
            let rows = own.end(conn, rows).await?;
            rows.iter().map(StoredRecordView::from_row).collect()
        })
    }

    fn count_records(
        conn: &mut PgConnection,
    ) -> BoxFuture<'_, sqlx::Result<Vec<StoredRecordCount>>> {
        Box::pin(async move {
            let rows = rows(
                conn,
                "select operation, status, expires_at <= statement_timestamp() as expired, \
                   case when created_at > statement_timestamp() - interval '1 hour' then 0 \
                     when created_at > statement_timestamp() - interval '1 day' then 1 \
                     else 2 end as age, count(*) as records \
                 from idem.record group by 1, 2, 3, 4 order by 1, 2, 3, 4",
            );
            let rows = rows.await?;
            rows.iter().map(StoredRecordCount::from_row).collect()
        })
    }

    fn count_of_scope<'a>(
        conn: &'a mut PgConnection,
        scope: &'a str,
    ) -> BoxFuture<'a, sqlx::Result<[i64; 2]>> {
        Box::pin(async move {
            let own = OwnTransaction::begin(conn).await?;
            let count = unnamed(
                "select 'records' as part, count(*) as number from idem.record where scope = $1 \
                 union all \
                 select 'messages', count(*) from idem.dead_letter where scope = $1 \
                 order by part desc",
            );
            let rows = count.bind(scope).fetch_all(&mut *conn).await;
            let rows = own.end(conn, rows).await?;
            let mut counts = rows.iter().map(|row| row.try_get("number"));
            let mut next = || counts.next().unwrap_or(Err(sqlx::Error::RowNotFound));
            Ok([next()?, next()?])
        })
    }

    fn invalidate<'a>(
        conn: &'a mut PgConnection,
        name: &'a RecordName,
    ) -> BoxFuture<'a, sqlx::Result<bool>> {
        Box::pin(async move {
            let delete =
                unnamed("delete from idem.record where scope = $1 and operation = $2 and key = $3");
            let done = bind_name(delete, name).execute(&mut *conn).await?;
            let forget = unnamed("delete from idem.tombstone where digest = $1");
            let forgotten = forget.bind(name.tombstone()).execute(conn).await?;
            Ok(done.rows_affected() + forgotten.rows_affected() > 0)
        })
    }
}
