//! The migrations of PostgreSQL, all in one transaction.
//!
//! SQLx itself locks the session and names its statements. Neither works behind a pooler in transaction
//! mode.
//!
//! DDL is transactional on Postgres, so all missing migrations commit together or not at all, and a node
//! that is killed half-way leaves nothing. `pg_advisory_xact_lock` waits for a node that migrates now;
//! afterwards this one finds its migrations applied. The lock is the first statement of the migrator,
//! so `create schema if not exists` never meets that of another node.
//!
//! [`InTransaction`] replaces SQLx's own implementation of `Migrate`, which takes a session lock and
//! names its statements. The table is the one that SQLx makes, so its tools can read it.

use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::migrate::{AppliedMigration, Migrate, MigrateError, Migration};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, PgPool, Postgres, Row};
use tokio::time::Instant;

use super::statement::{OwnTransaction, rows, run as run_text};
use crate::store::maintenance::MaintenanceStore;
use crate::store::migrations::migrator;

/// The advisory lock that makes nodes migrate one after the other.
const LOCK: i64 = i64::from_be_bytes(*b"idem-sql");

/// Runs the missing migrations.
pub(super) async fn run(pool: &PgPool) -> Result<(), MigrateError> {
    // If it is dropped halfway, a transaction stays open. No other user may get that connection.
    let mut conn = pool.acquire().await?;
    conn.close_on_drop();
    let mut migrator = migrator("idem.migration", Postgres::MIGRATIONS);
    migrator.create_schema("idem");
    let own = OwnTransaction::begin(&mut conn).await?;
    // `run` of a borrowed connection is not `Send` enough to be boxed (sqlx 0.9).
    migrator
        .run_direct(None, &mut InTransaction(&mut conn), false)
        .await?;
    Ok(own.end(&mut conn, Ok(())).await?)
}

struct InTransaction<'c>(&'c mut PgConnection);

impl InTransaction<'_> {
    async fn run(&mut self, text: String) -> Result<(), MigrateError> {
        run_text(self.0, text).await?;
        Ok(())
    }
}

impl Migrate for InTransaction<'_> {
    fn create_schema_if_not_exists<'e>(
        &'e mut self,
        name: &'e str,
    ) -> BoxFuture<'e, Result<(), MigrateError>> {
        Box::pin(self.run(format!("create schema if not exists {name}")))
    }

    fn ensure_migrations_table<'e>(
        &'e mut self,
        table: &'e str,
    ) -> BoxFuture<'e, Result<(), MigrateError>> {
        // The same table as SQLx's, so that its tools can read it.
        Box::pin(self.run(format!(
            "create table if not exists {table} ( \
               version bigint primary key, \
               description text not null, \
               installed_on timestamptz not null default now(), \
               success boolean not null, \
               checksum bytea not null, \
               execution_time bigint not null)"
        )))
    }

    fn dirty_version<'e>(
        &'e mut self,
        table: &'e str,
    ) -> BoxFuture<'e, Result<Option<i64>, MigrateError>> {
        Box::pin(async move {
            let find = format!("select min(version) from {table} where not success");
            let found = rows(self.0, AssertSqlSafe(find)).await?;
            Ok(found
                .first()
                .map(|row| row.try_get(0))
                .transpose()?
                .flatten())
        })
    }

    fn list_applied_migrations<'e>(
        &'e mut self,
        table: &'e str,
    ) -> BoxFuture<'e, Result<Vec<AppliedMigration>, MigrateError>> {
        Box::pin(async move {
            let list = format!("select version, checksum from {table} order by version");
            let applied = rows(self.0, AssertSqlSafe(list)).await?;
            let applied = applied.iter().map(|row| {
                Ok(AppliedMigration {
                    version: row.try_get("version")?,
                    checksum: row.try_get::<Vec<u8>, _>("checksum")?.into(),
                })
            });
            applied.collect()
        })
    }

    fn lock(&mut self) -> BoxFuture<'_, Result<(), MigrateError>> {
        Box::pin(self.run(format!("select pg_advisory_xact_lock({LOCK})")))
    }

    /// The end of the transaction releases the lock.
    fn unlock(&mut self) -> BoxFuture<'_, Result<(), MigrateError>> {
        Box::pin(async { Ok(()) })
    }

    fn apply<'e>(
        &'e mut self,
        table: &'e str,
        migration: &'e Migration,
    ) -> BoxFuture<'e, Result<Duration, MigrateError>> {
        Box::pin(async move {
            let start = Instant::now();
            let done = sqlx::raw_sql(migration.sql.clone()).execute(&mut *self.0);
            let done = done.await;
            done.map_err(|error| MigrateError::ExecuteMigration(error, migration.version))?;
            let took = start.elapsed();
            self.note(
                table,
                migration,
                i64::try_from(took.as_nanos()).unwrap_or(-1),
            )
            .await?;
            Ok(took)
        })
    }

    fn revert<'e>(
        &'e mut self,
        _: &'e str,
        migration: &'e Migration,
    ) -> BoxFuture<'e, Result<Duration, MigrateError>> {
        Box::pin(async { Err(MigrateError::VersionNotPresent(migration.version)) })
    }

    fn skip<'e>(
        &'e mut self,
        table: &'e str,
        migration: &'e Migration,
    ) -> BoxFuture<'e, Result<(), MigrateError>> {
        Box::pin(self.note(table, migration, -1))
    }
}

impl InTransaction<'_> {
    async fn note(
        &mut self,
        table: &str,
        migration: &Migration,
        took: i64,
    ) -> Result<(), MigrateError> {
        let insert = AssertSqlSafe(format!(
            "insert into {table} (version, description, success, checksum, execution_time) \
             values ($1, $2, true, $3, $4)"
        ));
        let insert = sqlx::query(insert).persistent(false);
        let insert = insert
            .bind(migration.version)
            .bind(&*migration.description)
            .bind(&*migration.checksum)
            .bind(took);
        insert.execute(&mut *self.0).await?;
        Ok(())
    }
}
