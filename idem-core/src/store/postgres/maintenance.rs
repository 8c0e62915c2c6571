//! Deletes records of PostgreSQL, checks the tables and creates them.

use futures_util::future::BoxFuture;
use sqlx::migrate::MigrateError;
use sqlx::postgres::PgConnection;
use sqlx::{PgPool, Postgres, Row};

use super::deletion::{EXPIRED, RECORD_NAME, delete_expired, delete_of_scope, write_tombstones};
use super::migrate;
use super::statement::{rows, value};
use crate::store::maintenance::MaintenanceStore;
use crate::store::migrations::{ADDED_COLUMNS, migrations_in, missing_column};

impl MaintenanceStore for Postgres {
    const MIGRATIONS: &'static [(i64, &'static str, &'static str)] =
        &migrations_in!("postgres", 4 "step", 5 "tombstone");

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
        Box::pin(delete_expired(
            conn,
            "idem.record",
            RECORD_NAME,
            DELETABLE,
            limit,
        ))
    }

    fn write_tombstones(conn: &mut PgConnection, limit: i64) -> BoxFuture<'_, sqlx::Result<()>> {
        Box::pin(write_tombstones(conn, limit))
    }

    fn sweep_tombstones(conn: &mut PgConnection, limit: i64) -> BoxFuture<'_, sqlx::Result<u64>> {
        Box::pin(delete_expired(
            conn,
            "idem.tombstone",
            "digest",
            EXPIRED,
            limit,
        ))
    }

    fn erase_records<'a>(
        conn: &'a mut PgConnection,
        scope: &'a str,
        limit: i64,
    ) -> BoxFuture<'a, sqlx::Result<u64>> {
        Box::pin(delete_of_scope(conn, "idem.record", scope, limit))
    }

    fn check(conn: &mut PgConnection) -> BoxFuture<'_, sqlx::Result<Vec<String>>> {
        Box::pin(async move {
            let absent = lines(
                conn,
                "select format('the table %s is missing, or the role has no usage on the schema \
                   idem: run idem.migrate() or the SQL of the migrations', t) \
                 from unnest(array['idem.record', 'idem.dead_letter', 'idem.rollout', 'idem.tombstone']) as t \
                 where to_regclass(t) is null",
            )
            .await?;
            if !absent.is_empty() {
                return Ok(absent);
            }
            let columns = "select attname::text from pg_attribute \
                where attrelid = 'idem.record'::regclass and attnum > 0 and not attisdropped";
            let columns = lines(conn, columns).await?;
            let added = ADDED_COLUMNS
                .iter()
                .filter(|&added| !columns.iter().any(|one| one == added));
            let absent: Vec<_> = added
                .map(|added| missing_column("idem.record", added))
                .collect();
            if !absent.is_empty() {
                return Ok(absent);
            }
            let mut lacking = lines(
                conn,
                "select case when to_regproc(f) is null then format( \
                   'the function %s is missing: run idem.migrate() or the SQL of the migrations', f) \
                   else format('the role %I has no execute on the function %s: \
                     grant execute on function %s to %I', current_user, f, f, current_user) end \
                 from unnest(array['idem.step', 'idem.step_or_refuse', 'idem.claim_all', 'idem.enter', 'idem.leave']) as f \
                 where has_function_privilege(to_regproc(f)::oid, 'execute') is not true",
            )
            .await?;
            let of_tables = lines(
                conn,
                "select format('the role %I has no %s on %s: grant %s on %s to %I', \
                   current_user, p, t, p, t, current_user) \
                 from unnest(array['idem.record', 'idem.dead_letter', 'idem.rollout', 'idem.tombstone']) as t, \
                   unnest(array['select', 'insert', 'update', 'delete']) as p \
                 where not has_table_privilege(t, p)",
            );
            lacking.extend(of_tables.await?);
            Ok(lacking)
        })
    }

    fn applied_migrations(conn: &mut PgConnection) -> BoxFuture<'_, sqlx::Result<Vec<i64>>> {
        Box::pin(async move {
            let marks = "select to_regclass('idem.migration') is not null";
            if !value::<bool>(conn, marks.to_owned()).await? {
                return Ok(Vec::new());
            }
            let applied = rows(conn, "select version from idem.migration where success").await?;
            applied.iter().map(|row| row.try_get("version")).collect()
        })
    }

    fn migrate(pool: &PgPool) -> BoxFuture<'_, Result<(), MigrateError>> {
        Box::pin(migrate::run(pool))
    }
}

/// The records that a sweep deletes: they leave no tombstone, or have left it.
const DELETABLE: &str = "expires_at <= statement_timestamp() \
    and (refused_until is null or refused_until <= statement_timestamp() \
      or exists(select from idem.tombstone as t where t.digest = record.tombstone \
          and t.expires_at >= record.refused_until))";

async fn lines(conn: &mut PgConnection, text: &'static str) -> sqlx::Result<Vec<String>> {
    let rows = rows(conn, text).await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}
