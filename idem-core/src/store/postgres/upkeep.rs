//! Deleting records of PostgreSQL, checking its tables and making them.

use futures_util::future::BoxFuture;
use sqlx::postgres::PgConnection;
use sqlx::{PgPool, Postgres};

use crate::store::Upkeep;

impl Upkeep for Postgres {
    fn sweep_lag(conn: &mut PgConnection) -> BoxFuture<'_, sqlx::Result<Option<i64>>> {
        Box::pin(async move {
            let lag = sqlx::query_scalar(
                "select (extract(epoch from statement_timestamp() - expires_at) * 1000)::bigint \
                 from idem.record where expires_at <= statement_timestamp() \
                 order by expires_at limit 1",
            );
            lag.fetch_optional(conn).await
        })
    }

    fn sweep(conn: &mut PgConnection, limit: i64) -> BoxFuture<'_, sqlx::Result<u64>> {
        Box::pin(async move {
            // A partition's rows have the numbers of another's, so each is looked at again.
            let done = sqlx::query(
                "delete from idem.record where ctid = any(array( \
                   select ctid from idem.record where expires_at <= statement_timestamp() \
                   order by expires_at limit $1 for update skip locked)) \
                 and expires_at <= statement_timestamp()",
            );
            Ok(done.bind(limit).execute(conn).await?.rows_affected())
        })
    }

    fn erase<'a>(
        conn: &'a mut PgConnection,
        scope: &'a str,
        limit: i64,
    ) -> BoxFuture<'a, sqlx::Result<u64>> {
        Box::pin(async move {
            let done = sqlx::query(
                "delete from idem.record where ctid = any(array( \
                   select ctid from idem.record where scope = $1 limit $2 for update)) \
                 and scope = $1",
            );
            Ok(done
                .bind(scope)
                .bind(limit)
                .execute(conn)
                .await?
                .rows_affected())
        })
    }

    fn check(conn: &mut PgConnection) -> BoxFuture<'_, sqlx::Result<Vec<String>>> {
        Box::pin(async move {
            let absent: Vec<String> = sqlx::query_scalar(
                "select format('the table %s is missing, or the role has no usage on the schema \
                   idem: run idem.migrate() or the SQL of the migrations', t) \
                 from unnest(array['idem.record', 'idem.dead_letter', 'idem.rollout']) as t \
                 where to_regclass(t) is null",
            )
            .fetch_all(&mut *conn)
            .await?;
            if !absent.is_empty() {
                return Ok(absent);
            }
            sqlx::query_scalar(
                "select format('the role %I has no %s on %s: grant %s on %s to %I', \
                   current_user, p, t, p, t, current_user) \
                 from unnest(array['idem.record', 'idem.dead_letter', 'idem.rollout']) as t, \
                   unnest(array['select', 'insert', 'update', 'delete']) as p \
                 where not has_table_privilege(t, p)",
            )
            .fetch_all(conn)
            .await
        })
    }

    fn migrate(pool: &PgPool) -> BoxFuture<'_, Result<(), sqlx::migrate::MigrateError>> {
        Box::pin(async move {
            let migrations = [
                (
                    1,
                    "record",
                    include_str!("../../../migrations/postgres/0001_record.sql"),
                ),
                (
                    2,
                    "dead_letter",
                    include_str!("../../../migrations/postgres/0002_dead_letter.sql"),
                ),
                (
                    3,
                    "rollout",
                    include_str!("../../../migrations/postgres/0003_rollout.sql"),
                ),
            ];
            let mut migrator = crate::store::upkeep::migrator("idem.migration", &migrations);
            migrator.create_schema("idem");
            // The migrator locks the session, and one that fails or is dropped never unlocks it.
            let mut conn = pool.acquire().await?;
            conn.close_on_drop();
            // `run` of a borrowed connection is not `Send` enough to be boxed (sqlx 0.9).
            migrator.run_direct(None, &mut *conn, false).await
        })
    }
}
