//! The migrations of SQLite, all in one transaction.
//!
//! DDL is transactional, so a process that is killed half-way leaves nothing. Processes that
//! migrate at once wait for the write lock, up to `busy_timeout`.

use sqlx::migrate::MigrateError;
use sqlx::{Sqlite, SqlitePool};

use crate::store::maintenance::MaintenanceStore;
use crate::store::migrations::migrator;

/// Runs the missing migrations.
pub(super) async fn run(pool: &SqlitePool) -> Result<(), MigrateError> {
    let migrator = migrator("idem_migration", Sqlite::MIGRATIONS);
    // SQLx's migrator has no lock on SQLite. The one writer's transaction is the lock.
    let mut tx = pool.begin_with("begin immediate").await?;
    // `run` of a borrowed connection is not `Send` enough to be boxed (sqlx 0.9).
    migrator.run_direct(None, &mut *tx, false).await?;
    Ok(tx.commit().await?)
}
