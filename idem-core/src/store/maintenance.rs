//! What keeps the tables of a database in order.

use futures_util::future::BoxFuture;
use sqlx::migrate::Migrator;
use sqlx::{Database, Pool};

use super::sealed;

/// What keeps the records in order beside the attempts: deleting, checking, making the tables.
#[doc(hidden)]
pub trait Upkeep: sealed::Sealed + Database {
    /// How many milliseconds ago the oldest record expired that is still there.
    fn sweep_lag(conn: &mut Self::Connection) -> BoxFuture<'_, sqlx::Result<Option<i64>>>;

    /// Deletes up to `limit` expired records, passing over those that others work on.
    fn sweep(conn: &mut Self::Connection, limit: i64) -> BoxFuture<'_, sqlx::Result<u64>>;

    /// Deletes up to `limit` records of a scope, expired or not.
    fn erase<'a>(
        conn: &'a mut Self::Connection,
        scope: &'a str,
        limit: i64,
    ) -> BoxFuture<'a, sqlx::Result<u64>>;

    /// Says what the database lacks, a line each.
    fn check(conn: &mut Self::Connection) -> BoxFuture<'_, sqlx::Result<Vec<String>>>;

    /// Runs the migrations, in a table of their own.
    fn migrate(pool: &Pool<Self>) -> BoxFuture<'_, Result<(), sqlx::migrate::MigrateError>>;
}

/// Migrations of one database, kept apart from the application's own.
#[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite"))]
pub(super) fn migrator(
    table: &'static str,
    migrations: &[(i64, &'static str, &'static str)],
) -> Migrator {
    use sqlx::SqlSafeStr;
    use sqlx::migrate::{Migration, MigrationType};

    let migrations = migrations.iter().map(|(version, description, sql)| {
        let description = (*description).into();
        Migration::new(
            *version,
            description,
            MigrationType::Simple,
            sql.into_sql_str(),
            false,
        )
    });
    let mut migrator = Migrator::with_migrations(migrations.collect());
    migrator.dangerous_set_table_name(table);
    // A newer node of a rolling deploy may have migrated further; its schema stays readable.
    migrator.set_ignore_missing(true);
    migrator
}
