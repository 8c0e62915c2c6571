//! The migrations of SQLite, all in one transaction.
//!
//! DDL is transactional, so a process that is killed half-way leaves nothing. Processes that
//! migrate at once wait for the write lock, up to `busy_timeout`.
//!
//! SQLite has no `add column if not exists`. So where the columns exist already, since the application has
//! run the text by hand, only the rest of that migration runs before it is noted as applied.

use sqlx::migrate::MigrateError;
use sqlx::{Sqlite, SqlitePool};

use crate::store::maintenance::MaintenanceStore;
use crate::store::migrations::migrator;

/// The migration whose columns may exist already.
const ADDS_COLUMNS: i64 = 4;

/// Runs the missing migrations.
pub(super) async fn run(pool: &SqlitePool) -> Result<(), MigrateError> {
    let migrator = migrator("idem_migration", Sqlite::MIGRATIONS);
    // SQLx's migrator has no lock on SQLite. The one writer's transaction is the lock.
    let mut tx = pool.begin_with("begin immediate").await?;
    // `run` of a borrowed connection is not `Send` enough to be boxed (sqlx 0.9).
    migrator
        .run_direct(Some(ADDS_COLUMNS - 1), &mut *tx, false)
        .await?;
    let find =
        "select exists(select 1 from pragma_table_info('idem_record') where name = 'tombstone')";
    let has_columns = sqlx::query_scalar(find).fetch_one(&mut *tx).await?;
    if has_columns && let Some(rest) = after_columns() {
        sqlx::raw_sql(rest).execute(&mut *tx).await?;
    }
    migrator
        .run_direct(Some(ADDS_COLUMNS), &mut *tx, has_columns)
        .await?;
    migrator.run_direct(None, &mut *tx, false).await?;
    Ok(tx.commit().await?)
}

/// The statements of that migration that can run again: they follow its columns.
fn after_columns() -> Option<&'static str> {
    let mut migrations = Sqlite::MIGRATIONS.iter();
    let (_, _, text) = migrations.find(|(version, ..)| *version == ADDS_COLUMNS)?;
    text.find("create table if not exists")
        .and_then(|start| text.get(start..))
}
