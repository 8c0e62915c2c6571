//! The migrations of MariaDB and MySQL, whose statements each commit by themselves.
//!
//! DDL commits implicitly, so a migration that is interrupted is neither done nor undone. The cure
//! is in the migrations: each statement has `if not exists`, so that it can run again. A mark
//! without success is therefore deleted and its migration repeated, where SQLx alone would refuse
//! to go on.
//!
//! Three things can collide. Nodes on the same server wait for a named lock, which the session owns
//! and the server releases if the node dies. Nodes on different servers of a cluster (Galera, Group
//! Replication) do not see that lock: they try again, 50 times with pauses of 100 ms.

use std::time::Duration;

use sqlx::migrate::MigrateError;
use sqlx::mysql::MySqlConnection;
use sqlx::{MySql, MySqlPool};
use tokio::time::sleep;

use super::error::{DUPLICATE_KEY, number};
use crate::store::maintenance::MaintenanceStore;
use crate::store::migrations::migrator;

/// Runs the missing migrations, again where another node of a cluster has run some meanwhile.
pub(super) async fn run(pool: &MySqlPool) -> Result<(), MigrateError> {
    let mut migrator = migrator("idem_migration", MySql::MIGRATIONS);
    // SQLx waits for its lock without a limit. MariaDB rejects that and returns NULL.
    migrator.set_locking(false);
    // The session owns the lock: closed, it releases it whatever happens.
    let mut conn = pool.acquire().await?;
    conn.close_on_drop();
    lock(&mut conn).await?;
    let mut attempts_left = 50;
    loop {
        let migrated = async {
            clear_interrupted(&mut conn).await?;
            // `run` of a borrowed connection is not `Send` enough to be boxed (sqlx 0.9).
            migrator.run_direct(None, &mut *conn, false).await?;
            is_finished(&mut conn).await
        };
        match migrated.await {
            Err(error) if attempts_left > 0 && has_collided(&error) => attempts_left -= 1,
            ended => return ended,
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// Locks out other nodes that migrate the same database.
async fn lock(conn: &mut MySqlConnection) -> sqlx::Result<()> {
    let try_lock = "select coalesce(get_lock(concat('idem:', \
        sha2(concat(ifnull(database(), ''), '/migrate'), 224)), 0), 0)";
    while sqlx::query_scalar::<_, i64>(try_lock)
        .fetch_one(&mut *conn)
        .await?
        == 0
    {
        sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// Whether another server of a cluster migrates at the same time: the lock is one server's.
///
/// Galera says so by 1213, and Group Replication also by 1180 and 3101.
fn has_collided(error: &MigrateError) -> bool {
    let number = match error {
        MigrateError::Dirty(_) => return true,
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => number(error),
        _ => None,
    };
    matches!(
        number,
        Some(DUPLICATE_KEY | NO_SUCH_TABLE | DUPLICATE_COLUMN | 1180 | 1205 | 1213 | 3101)
    )
}

/// Another server's mark may have arrived, and its table not yet.
async fn is_finished(conn: &mut MySqlConnection) -> Result<(), MigrateError> {
    let begun = sqlx::query_scalar("select version from idem_migration where success = false");
    match begun.fetch_optional(conn).await? {
        Some(version) => Err(MigrateError::Dirty(version)),
        None => Ok(()),
    }
}

/// Deletes the marks of unfinished migrations.
///
/// A statement that creates a table commits implicitly, so a migration that was interrupted after it
/// stays marked as unfinished. Idem's migrations can run again.
async fn clear_interrupted(conn: &mut MySqlConnection) -> sqlx::Result<()> {
    let delete = sqlx::query("delete from idem_migration where success = false");
    match delete.execute(conn).await {
        Err(error) if number(&error) != Some(NO_SUCH_TABLE) => Err(error),
        _ => Ok(()),
    }
}

const NO_SUCH_TABLE: u16 = 1146;
const DUPLICATE_COLUMN: u16 = 1060;
