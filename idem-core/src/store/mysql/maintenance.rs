//! Deleting records of MariaDB or MySQL, checking their table and making it.

use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::migrate::MigrateError;
use sqlx::mysql::MySqlConnection;
use sqlx::{AssertSqlSafe, MySql, MySqlPool};
use tokio::time::sleep;

use super::error::{DUPLICATE_KEY, number};
use super::name::hex;
use super::statement::{afresh, leave, write};
use crate::store::Upkeep;

impl Upkeep for MySql {
    fn sweep_lag(conn: &mut MySqlConnection) -> BoxFuture<'_, sqlx::Result<Option<i64>>> {
        Box::pin(async move {
            let lag = sqlx::query_scalar(
                "select timestampdiff(microsecond, expires_at, utc_timestamp(6)) div 1000 \
                 from idem_record where expires_at <= utc_timestamp(6) \
                 order by expires_at limit 1",
            );
            afresh(conn).await?;
            let lag = lag.fetch_optional(&mut *conn).await?;
            leave(conn).await?;
            Ok(lag)
        })
    }

    fn sweep(conn: &mut MySqlConnection, limit: i64) -> BoxFuture<'_, sqlx::Result<u64>> {
        Box::pin(async move {
            let sweep = format!(
                "/*M!100000 set statement sql_safe_updates = 0 for */ delete r from (select scope, operation, `key` from idem_record \
                   where expires_at <= utc_timestamp(6) order by expires_at limit {limit} \
                   for update skip locked) as expired \
                 straight_join idem_record as r on r.scope = expired.scope \
                   and r.operation = expired.operation and r.`key` = expired.`key`"
            );
            write(conn, &sweep).await
        })
    }

    fn erase<'a>(
        conn: &'a mut MySqlConnection,
        scope: &'a str,
        limit: i64,
    ) -> BoxFuture<'a, sqlx::Result<u64>> {
        Box::pin(async move {
            let scope = hex(scope.as_bytes());
            let erase = format!("delete from idem_record where scope = {scope} limit {limit}");
            write(conn, &erase).await
        })
    }

    fn check(conn: &mut MySqlConnection) -> BoxFuture<'_, sqlx::Result<Vec<String>>> {
        Box::pin(async move {
            let mut missing = Vec::new();
            afresh(conn).await?;
            for (table, column) in [
                ("idem_record", "status"),
                ("idem_dead_letter", "attempts"),
                ("idem_rollout", "rule"),
            ] {
                missing.extend(what_lacks(conn, table, column).await?);
            }
            leave(conn).await?;
            Ok(missing)
        })
    }

    fn migrate(pool: &MySqlPool) -> BoxFuture<'_, Result<(), MigrateError>> {
        Box::pin(async move {
            let migrations = [
                (
                    1,
                    "record",
                    include_str!("../../../migrations/mysql/0001_record.sql"),
                ),
                (
                    2,
                    "dead_letter",
                    include_str!("../../../migrations/mysql/0002_dead_letter.sql"),
                ),
                (
                    3,
                    "rollout",
                    include_str!("../../../migrations/mysql/0003_rollout.sql"),
                ),
            ];
            let mut migrator = crate::store::maintenance::migrator("idem_migration", &migrations);
            // sqlx waits without end for its lock, which MariaDB takes for an error and answers
            // with NULL.
            migrator.set_locking(false);
            // The lock belongs to the session, and is gone with it whatever happens.
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
        })
    }
}

/// Whether a table is there, knows transactions and may be used; the column is one of its own.
async fn what_lacks(
    conn: &mut MySqlConnection,
    table: &str,
    column: &str,
) -> sqlx::Result<Vec<String>> {
    let engine = sqlx::query_scalar(
        "select coalesce(engine, '') from information_schema.tables \
         where table_schema = database() and table_name = ? limit 1",
    );
    let engine: Option<String> = engine.bind(table).fetch_optional(&mut *conn).await?;
    let Some(engine) = engine else {
        return Ok(vec![format!(
            "the table {table} is missing, or the account may not see it, or the URL names no \
             database: run idem.migrate() or the SQL of the migrations"
        )]);
    };
    let mut missing = Vec::new();
    if !engine.eq_ignore_ascii_case("innodb") {
        missing.push(format!(
            "{table} is a table of {engine}, which knows no transactions: \
             alter table {table} engine = InnoDB"
        ));
    }
    for (privilege, statement) in [
        ("select", format!("select 1 from {table} where false")),
        (
            "insert",
            format!("insert into {table} select * from {table} where false"),
        ),
        (
            "update",
            format!("update {table} set {column} = {column} where false"),
        ),
        ("delete", format!("delete from {table} where false")),
    ] {
        let tried = sqlx::query(AssertSqlSafe(statement))
            .execute(&mut *conn)
            .await;
        if tried.is_err_and(|error| matches!(number(&error), Some(1142 | 1143))) {
            missing.push(format!(
                "the account has no {privilege} on {table}: grant {privilege} on {table} to it"
            ));
        }
    }
    Ok(missing)
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

/// The lock is the server's: nodes of a Galera cluster migrate at once, and find each other's marks.
fn has_collided(error: &MigrateError) -> bool {
    let number = match error {
        MigrateError::Dirty(_) => return true,
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => number(error),
        _ => None,
    };
    matches!(number, Some(DUPLICATE_KEY | NO_SUCH_TABLE | 1205 | 1213))
}

/// The mark of another node may have come in meanwhile, and its table not yet.
async fn is_finished(conn: &mut MySqlConnection) -> Result<(), MigrateError> {
    let begun = sqlx::query_scalar("select version from idem_migration where success = false");
    match begun.fetch_optional(conn).await? {
        Some(version) => Err(MigrateError::Dirty(version)),
        None => Ok(()),
    }
}

/// A statement that makes a table commits by itself. A migration that was interrupted behind it
/// stays marked as unfinished, and ours can be run again.
async fn clear_interrupted(conn: &mut MySqlConnection) -> sqlx::Result<()> {
    let delete = sqlx::query("delete from idem_migration where success = false");
    match delete.execute(conn).await {
        Err(error) if number(&error) != Some(NO_SUCH_TABLE) => Err(error),
        _ => Ok(()),
    }
}

const NO_SUCH_TABLE: u16 = 1146;
