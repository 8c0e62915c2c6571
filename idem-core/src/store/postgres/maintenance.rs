//! Deletes records of PostgreSQL, checks the tables and creates them.
//!
//! A deletion first selects the rows to delete, in an array, and then deletes by `ctid`. `DELETE` has no
//! `LIMIT`, and a subquery with `skip locked` may be evaluated again for each row of a join; `array(…)`
//! is evaluated once. The `ctid` spares the lookup by the three columns of the primary key.

use futures_util::future::BoxFuture;
use sqlx::migrate::MigrateError;
use sqlx::postgres::PgConnection;
use sqlx::{PgPool, Postgres, Row};

use super::migrate;
use super::statement::{OwnTransaction, rows, run, unnamed};
use crate::store::maintenance::MaintenanceStore;

impl MaintenanceStore for Postgres {
    fn sweep_lag(conn: &mut PgConnection) -> BoxFuture<'_, sqlx::Result<Option<i64>>> {
        Box::pin(async move {
            let lag = rows(
                conn,
                "select (extract(epoch from statement_timestamp() - expires_at) * 1000)::bigint \
                 from idem.record where expires_at <= statement_timestamp() \
                 order by expires_at limit 1",
            );
            let lag = lag.await?;
            lag.first().map(|row| row.try_get(0)).transpose()
        })
    }

    fn sweep_records(conn: &mut PgConnection, limit: i64) -> BoxFuture<'_, sqlx::Result<u64>> {
        Box::pin(async move {
            // In a partitioned table rows of two partitions may have the same ctid, so the condition is
            // checked again.
            let delete = format!(
                "delete from idem.record where ctid = any(array( \
                   select ctid from idem.record where expires_at <= statement_timestamp() \
                   order by expires_at limit {limit} for update skip locked)) \
                 and expires_at <= statement_timestamp()"
            );
            run(conn, delete).await
        })
    }

    fn erase_records<'a>(
        conn: &'a mut PgConnection,
        scope: &'a str,
        limit: i64,
    ) -> BoxFuture<'a, sqlx::Result<u64>> {
        Box::pin(async move {
            let own = OwnTransaction::begin(conn).await?;
            let delete = unnamed(
                "delete from idem.record where ctid = any(array( \
                   select ctid from idem.record where scope = $1 limit $2 for update)) \
                 and scope = $1",
            );
            let done = delete.bind(scope).bind(limit).execute(&mut *conn).await;
            Ok(own.end(conn, done).await?.rows_affected())
        })
    }

    fn check(conn: &mut PgConnection) -> BoxFuture<'_, sqlx::Result<Vec<String>>> {
        Box::pin(async move {
            let absent = lines(
                conn,
                "select format('the table %s is missing, or the role has no usage on the schema \
                   idem: run idem.migrate() or the SQL of the migrations', t) \
                 from unnest(array['idem.record', 'idem.dead_letter', 'idem.rollout']) as t \
                 where to_regclass(t) is null",
            )
            .await?;
            if !absent.is_empty() {
                return Ok(absent);
            }
            let mut lacking = lines(
                conn,
                "select case when to_regproc(f) is null then format( \
                   'the function %s is missing: run idem.migrate() or the SQL of the migrations', f) \
                   else format('the role %I has no execute on the function %s: \
                     grant execute on function %s to %I', current_user, f, f, current_user) end \
                 from unnest(array['idem.step', 'idem.enter', 'idem.leave']) as f \
                 where has_function_privilege(to_regproc(f)::oid, 'execute') is not true",
            )
            .await?;
            let of_tables = lines(
                conn,
                "select format('the role %I has no %s on %s: grant %s on %s to %I', \
                   current_user, p, t, p, t, current_user) \
                 from unnest(array['idem.record', 'idem.dead_letter', 'idem.rollout']) as t, \
                   unnest(array['select', 'insert', 'update', 'delete']) as p \
                 where not has_table_privilege(t, p)",
            );
            lacking.extend(of_tables.await?);
            Ok(lacking)
        })
    }

    fn migrate(pool: &PgPool) -> BoxFuture<'_, Result<(), MigrateError>> {
        Box::pin(migrate::run(pool))
    }
}

async fn lines(conn: &mut PgConnection, text: &'static str) -> sqlx::Result<Vec<String>> {
    let rows = rows(conn, text).await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}
