//! Deletes records of MariaDB or MySQL, checks the tables and creates them.
//!
//! A sweep selects its rows `for update skip locked` in a derived table, and deletes them by their
//! keys: `delete … limit` alone would wait for locked rows. MariaDB has `skip locked` since 10.6,
//! MySQL since 8.0.

use futures_util::future::BoxFuture;
use sqlx::migrate::MigrateError;
use sqlx::mysql::MySqlConnection;
use sqlx::{AssertSqlSafe, MySql, MySqlPool};

use super::error::number;
use super::migrate;
use super::name::hex;
use super::statement::{after_reading, before_reading, write};
use crate::store::maintenance::MaintenanceStore;
use crate::store::migrations::{ADDED_COLUMNS, migrations_in, missing_column};

impl MaintenanceStore for MySql {
    const MIGRATIONS: &'static [(i64, &'static str, &'static str)] =
        &migrations_in!("mysql", 4 "tombstone");

    fn sweep_lag(conn: &mut MySqlConnection) -> BoxFuture<'_, sqlx::Result<Option<i64>>> {
        Box::pin(async move {
            let lag = sqlx::query_scalar(
                "select timestampdiff(microsecond, expires_at, utc_timestamp(6)) div 1000 \
                 from idem_record where expires_at <= utc_timestamp(6) \
                 order by expires_at limit 1",
            );
            before_reading(conn).await?;
            let lag = lag.fetch_optional(&mut *conn).await?;
            after_reading(conn).await?;
            Ok(lag)
        })
    }

    fn sweep_records(conn: &mut MySqlConnection, limit: i64) -> BoxFuture<'_, sqlx::Result<u64>> {
        Box::pin(async move {
            let sweep = format!(
                "/*M!100000 set statement sql_safe_updates = 0 for */ delete r from \
                   (select scope, operation, `key` from idem_record \
                   where expires_at <= utc_timestamp(6) and (refused_until is null \
                     or refused_until <= utc_timestamp(6) or exists(select 1 from idem_tombstone as t \
                       where t.digest = idem_record.tombstone \
                         and t.expires_at >= idem_record.refused_until)) \
                   order by expires_at limit {limit} for update skip locked) as expired \
                 straight_join idem_record as r on r.scope = expired.scope \
                   and r.operation = expired.operation and r.`key` = expired.`key`"
            );
            write(conn, &sweep).await
        })
    }

    fn write_tombstones(conn: &mut MySqlConnection, limit: i64) -> BoxFuture<'_, sqlx::Result<()>> {
        Box::pin(async move {
            if !leave_tombstones(conn, limit).await? {
                return Ok(());
            }
            let keep = format!(
                "insert into idem_tombstone (digest, expires_at) \
                 select expired.tombstone, expired.refused_until from \
                   (select tombstone, refused_until from idem_record \
                   where expires_at <= utc_timestamp(6) order by expires_at limit {limit} \
                   for update skip locked) as expired \
                 where expired.refused_until > utc_timestamp(6) order by expired.tombstone \
                 on duplicate key update idem_tombstone.expires_at = \
                   greatest(idem_tombstone.expires_at, expired.refused_until)"
            );
            write(conn, &keep).await.map(|_| ())
        })
    }

    fn sweep_tombstones(
        conn: &mut MySqlConnection,
        limit: i64,
    ) -> BoxFuture<'_, sqlx::Result<u64>> {
        Box::pin(async move {
            let delete = format!(
                "/*M!100000 set statement sql_safe_updates = 0 for */ delete t from \
                   (select digest from idem_tombstone where expires_at <= utc_timestamp(6) \
                   order by expires_at limit {limit} for update skip locked) as expired \
                 straight_join idem_tombstone as t on t.digest = expired.digest"
            );
            write(conn, &delete).await
        })
    }

    fn erase_records<'a>(
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
            before_reading(conn).await?;
            for (table, column) in [
                ("idem_record", "status"),
                ("idem_dead_letter", "attempts"),
                ("idem_rollout", "rule"),
                ("idem_tombstone", "expires_at"),
            ] {
                missing.extend(what_lacks(conn, table, column).await?);
            }
            if missing.is_empty() {
                missing.extend(missing_columns(conn).await?);
            }
            after_reading(conn).await?;
            Ok(missing)
        })
    }

    fn applied_migrations(conn: &mut MySqlConnection) -> BoxFuture<'_, sqlx::Result<Vec<i64>>> {
        Box::pin(async move {
            let marks = sqlx::query_scalar::<_, i64>(
                "select count(*) from information_schema.tables \
                 where table_schema = database() and table_name = 'idem_migration' limit 1",
            );
            before_reading(conn).await?;
            let mut applied = Vec::new();
            if marks.fetch_one(&mut *conn).await? > 0 {
                let versions = sqlx::query_scalar(
                    "select version from idem_migration where success = true \
                     limit 18446744073709551615",
                );
                applied = versions.fetch_all(&mut *conn).await?;
            }
            after_reading(conn).await?;
            Ok(applied)
        })
    }

    fn migrate(pool: &MySqlPool) -> BoxFuture<'_, Result<(), MigrateError>> {
        Box::pin(migrate::run(pool))
    }
}

/// The columns that a later migration has added to the records. MySQL shows those that the account may use.
async fn missing_columns(conn: &mut MySqlConnection) -> sqlx::Result<Vec<String>> {
    let mut missing = Vec::new();
    for column in ADDED_COLUMNS {
        let find = sqlx::query_scalar::<_, i64>(
            "select count(*) from information_schema.columns where table_schema = database() \
               and table_name = 'idem_record' and column_name = ? limit 1",
        );
        if find.bind(column).fetch_one(&mut *conn).await? == 0 {
            missing.push(missing_column("idem_record", column));
        }
    }
    Ok(missing)
}

/// Whether one of the records that expired first leaves a tombstone.
///
/// It locks nothing. The insert does, each of these records: without a lock an invalidation could delete
/// one before its tombstone is there. And `InnoDB` takes shared locks for an insert that selects, also of
/// rows that it does not insert.
async fn leave_tombstones(conn: &mut MySqlConnection, limit: i64) -> sqlx::Result<bool> {
    let find = sqlx::query_scalar(
        "select exists(select 1 from (select refused_until from idem_record \
           where expires_at <= utc_timestamp(6) order by expires_at limit ?) as expired \
         where expired.refused_until > utc_timestamp(6)) limit 1",
    );
    before_reading(conn).await?;
    let found = find.bind(limit).fetch_one(&mut *conn).await?;
    after_reading(conn).await?;
    Ok(found)
}

/// Checks that a table exists, that its engine has transactions and that the account may use it.
///
/// `column` is a column of the table, for an UPDATE of no row.
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
