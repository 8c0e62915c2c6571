//! The migrations of SQLite, all in one transaction.
//!
//! DDL is transactional, so a process that is killed half-way leaves nothing. Processes that
//! migrate at once wait for the write lock, up to `busy_timeout`.
//!
//! SQLite has no `add column if not exists`. So a migration that adds columns is only noted as applied
//! where the application has run its text by hand.

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
    migrator
        .run_direct(Some(ADDS_COLUMNS), &mut *tx, has_columns)
        .await?;
    migrator.run_direct(None, &mut *tx, false).await?;
    Ok(tx.commit().await?)
}
