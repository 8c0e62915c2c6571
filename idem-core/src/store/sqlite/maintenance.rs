//! Deletes records of SQLite, checks the tables and creates them.
//!
//! Rows are selected by `rowid`, since the usual builds of SQLite have no `delete … limit`. There
//! are no locked rows to skip: a batch is one statement, and holds the write lock while it runs.
//! The check asks only for tables and `query_only`; a file that the process may not write is
//! noticed at the first attempt.

use futures_util::future::BoxFuture;
use sqlx::migrate::MigrateError;
use sqlx::sqlite::SqliteConnection;
use sqlx::{Sqlite, SqlitePool};

use super::migrate;
use crate::store::maintenance::MaintenanceStore;
use crate::store::migrations::{ADDED_COLUMNS, migrations_in, missing_column};

impl MaintenanceStore for Sqlite {
    const MIGRATIONS: &'static [(i64, &'static str, &'static str)] =
        &migrations_in!("sqlite", 4 "tombstone");

    fn sweep_lag(conn: &mut SqliteConnection) -> BoxFuture<'_, sqlx::Result<Option<i64>>> {
        Box::pin(async move {
            let lag = sqlx::query_scalar(
                "select cast(unixepoch('subsec') * 1000 as integer) - expires_at \
                 from idem_record where expires_at <= unixepoch('subsec') * 1000 \
                 order by expires_at limit 1",
            );
            lag.fetch_optional(conn).await
        })
    }

    fn sweep_records(conn: &mut SqliteConnection, limit: i64) -> BoxFuture<'_, sqlx::Result<u64>> {
        Box::pin(async move {
            let done = sqlx::query(
                "delete from idem_record where rowid in (select rowid from idem_record \
                   where expires_at <= unixepoch('subsec') * 1000 and (refused_until is null \
                     or refused_until <= unixepoch('subsec') * 1000 \
                     or exists(select 1 from idem_tombstone as t where t.digest = idem_record.tombstone \
                       and t.expires_at >= idem_record.refused_until)) \
                   order by expires_at limit ?)",
            );
            Ok(done.bind(limit).execute(conn).await?.rows_affected())
        })
    }

    fn write_tombstones(
        conn: &mut SqliteConnection,
        limit: i64,
    ) -> BoxFuture<'_, sqlx::Result<()>> {
        Box::pin(async move {
            let done = sqlx::query(
                "insert into idem_tombstone (digest, expires_at) \
                 select tombstone, refused_until from (select tombstone, refused_until \
                   from idem_record where expires_at <= unixepoch('subsec') * 1000 \
                   order by expires_at limit ?) \
                 where refused_until > unixepoch('subsec') * 1000 \
                 on conflict (digest) do update set \
                   expires_at = max(idem_tombstone.expires_at, excluded.expires_at)",
            );
            done.bind(limit).execute(conn).await.map(|_| ())
        })
    }

    fn sweep_tombstones(
        conn: &mut SqliteConnection,
        limit: i64,
    ) -> BoxFuture<'_, sqlx::Result<u64>> {
        Box::pin(async move {
            let done = sqlx::query(
                "delete from idem_tombstone where digest in (select digest from idem_tombstone \
                   where expires_at <= unixepoch('subsec') * 1000 order by expires_at limit ?)",
            );
            Ok(done.bind(limit).execute(conn).await?.rows_affected())
        })
    }

    fn erase_records<'a>(
        conn: &'a mut SqliteConnection,
        scope: &'a str,
        limit: i64,
    ) -> BoxFuture<'a, sqlx::Result<u64>> {
        Box::pin(async move {
            let done = sqlx::query(
                "delete from idem_record where rowid in \
                   (select rowid from idem_record where scope = ? limit ?)",
            );
            Ok(done
                .bind(scope)
                .bind(limit)
                .execute(conn)
                .await?
                .rows_affected())
        })
    }

    fn check(conn: &mut SqliteConnection) -> BoxFuture<'_, sqlx::Result<Vec<String>>> {
        Box::pin(async move {
            let absent: Vec<String> = sqlx::query_scalar(
                "select 'the table ' || value || ' is missing: run idem.migrate()' \
                 from json_each('[\"idem_record\", \"idem_dead_letter\", \"idem_rollout\", \"idem_tombstone\"]') \
                 where value not in \
                   (select name from sqlite_schema where type = 'table')",
            )
            .fetch_all(&mut *conn)
            .await?;
            let read_only: bool = sqlx::query_scalar("pragma query_only")
                .fetch_one(&mut *conn)
                .await?;
            let mut missing = absent;
            if missing.is_empty() {
                missing.extend(missing_columns(&mut *conn).await?);
            }
            if read_only {
                missing.push("the connection is query_only: turn the pragma off".to_owned());
            }
            Ok(missing)
        })
    }

    fn applied_migrations(conn: &mut SqliteConnection) -> BoxFuture<'_, sqlx::Result<Vec<i64>>> {
        Box::pin(async move {
            let marks = sqlx::query_scalar::<_, i64>(
                "select count(*) from sqlite_schema \
                 where type = 'table' and name = 'idem_migration'",
            );
            if marks.fetch_one(&mut *conn).await? == 0 {
                return Ok(Vec::new());
            }
            sqlx::query_scalar("select version from idem_migration where success = true")
                .fetch_all(conn)
                .await
        })
    }

    fn migrate(pool: &SqlitePool) -> BoxFuture<'_, Result<(), MigrateError>> {
        Box::pin(migrate::run(pool))
    }
}

async fn missing_columns(conn: &mut SqliteConnection) -> sqlx::Result<Vec<String>> {
    let columns: Vec<String> =
        sqlx::query_scalar("select name from pragma_table_info('idem_record')")
            .fetch_all(conn)
            .await?;
    let missing = ADDED_COLUMNS
        .iter()
        .filter(|&added| !columns.iter().any(|one| one == added));
    Ok(missing
        .map(|column| missing_column("idem_record", column))
        .collect())
}
