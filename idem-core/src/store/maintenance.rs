//! The statements that keep the tables in order.
//!
//! A record may have to leave a tombstone: it then says until when its key is refused. A sweep writes the
//! tombstones of a batch by one statement and commits, and deletes the records by the next, which spares
//! those that lack theirs. So the two need no common transaction, and nothing is lost if a sweeper dies in
//! between. A claim looks at the record before the tombstone, or at both in one snapshot, and so sees one
//! of them at least.
//!
//! Deletions come in batches, each in a transaction of its own. A batch bounds how long its locks are
//! held and how much is undone if it fails, and its row count tells the caller whether to go on. A
//! sweeper skips locked rows, since somebody else will delete or replace them; an erasure waits for
//! them, since it must leave nothing.

use futures_util::future::BoxFuture;
use sqlx::Pool;
use sqlx::migrate::MigrateError;

use super::sealed::Sealed;

/// Deletes records, checks the tables and creates them.
#[doc(hidden)]
pub trait MaintenanceStore: Sealed {
    /// The migrations of this build, in their order: version, name and SQL of each.
    const MIGRATIONS: &'static [(i64, &'static str, &'static str)];

    /// Returns how many milliseconds ago the oldest expired record expired. `None`: no record has.
    ///
    /// # Errors
    ///
    /// Any error of the database.
    fn sweep_lag(conn: &mut Self::Connection) -> BoxFuture<'_, sqlx::Result<Option<i64>>>;

    /// Writes the tombstones of up to `limit` expired records, and commits. Rows that others have locked
    /// are left out.
    ///
    /// # Errors
    ///
    /// Any error of the database; nothing is written then.
    fn write_tombstones(conn: &mut Self::Connection, limit: i64)
    -> BoxFuture<'_, sqlx::Result<()>>;

    /// Deletes up to `limit` expired tombstones, and commits. Rows that others have locked are left out.
    ///
    /// # Errors
    ///
    /// Any error of the database; nothing is deleted then.
    fn sweep_tombstones(
        conn: &mut Self::Connection,
        limit: i64,
    ) -> BoxFuture<'_, sqlx::Result<u64>>;

    /// Deletes up to `limit` expired records, and commits. Rows that others have locked are left out, and so
    /// are those that lack their tombstone.
    ///
    /// # Errors
    ///
    /// Any error of the database; nothing is deleted then.
    fn sweep_records(conn: &mut Self::Connection, limit: i64) -> BoxFuture<'_, sqlx::Result<u64>>;

    /// Deletes up to `limit` records of a scope, live or expired, and commits. They leave no tombstone.
    ///
    /// It waits for rows that others have locked.
    ///
    /// # Errors
    ///
    /// Any error of the database; nothing is deleted then.
    fn erase_records<'a>(
        conn: &'a mut Self::Connection,
        scope: &'a str,
        limit: i64,
    ) -> BoxFuture<'a, sqlx::Result<u64>>;

    /// Looks for the tables and for the privileges on them. Each line says what is missing, and its
    /// cure. It writes nothing.
    ///
    /// # Errors
    ///
    /// Any error of the database that is not itself a finding.
    ///
    /// Postgres and SQLite are asked by their catalogues. On MariaDB and MySQL each statement is tried on
    /// no row, because a privilege can come by a role, a database or a table.
    fn check(conn: &mut Self::Connection) -> BoxFuture<'_, sqlx::Result<Vec<String>>>;

    /// Returns the versions of the migrations that the database marks as applied. None if the table of
    /// marks does not exist. It writes nothing.
    ///
    /// # Errors
    ///
    /// Any error of the database, also where the account may not read the marks.
    fn applied_migrations(conn: &mut Self::Connection) -> BoxFuture<'_, sqlx::Result<Vec<i64>>>;

    /// Runs the migrations that the database lacks.
    ///
    /// Nodes that migrate at the same time wait for each other.
    ///
    /// # Errors
    ///
    /// An error of the database, or a migration that was changed since it was applied. On Postgres and
    /// SQLite nothing is migrated then; on MySQL the migrations before it are.
    fn migrate(pool: &Pool<Self>) -> BoxFuture<'_, Result<(), MigrateError>>;
}
