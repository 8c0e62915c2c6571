//! A fresh SQLite database for a test.

use std::{thread, time::Duration};

use sqlx::{
    Pool, Sqlite,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions},
};
use tempfile::TempDir;

/// The database that tests beside this module run on.
pub type Db = Sqlite;

/// The name of this database in Cargo features.
pub const FEATURE: &str = "sqlite";

/// Creates the table `payment`, as [`TestDb::new`] does.
pub const CREATE_PAYMENT: &str = "create table payment (
    id integer primary key,
    tenant text not null,
    amount integer not null,
    reference text not null
)";

/// Inserts a payment: bind tenant, amount and reference; it returns the id (`i64`) as a row.
pub const INSERT_PAYMENT: &str =
    "insert into payment (tenant, amount, reference) values (?1, ?2, ?3) returning id";

/// Counts the payments of all tenants (`i64`).
pub const COUNT_PAYMENTS: &str = "select count(*) from payment";

/// A database of one test, with an empty table `payment`.
///
/// It is a file in a temporary folder, in WAL mode: `:memory:` would hide locking. The folder is
/// removed with the value, unless the test panics: then it stays, and standard error says where.
#[derive(Debug)]
pub struct TestDb {
    folder: TempDir,
}

impl TestDb {
    /// Names a database without tables, for a program that creates its own.
    #[expect(clippy::unused_async, reason = "as on the other databases")]
    pub async fn empty() -> Self {
        Self {
            folder: TempDir::with_prefix("idem-").unwrap(),
        }
    }

    /// Creates the database.
    pub async fn new() -> Self {
        let db = Self::empty().await;
        let pool = db.pool_of(1).await;
        sqlx::query(CREATE_PAYMENT).execute(&pool).await.unwrap();
        pool.close().await;
        db
    }

    /// Opens a pool of five connections.
    pub async fn pool(&self) -> Pool<Db> {
        self.pool_of(5).await
    }

    /// Opens a pool for a test's own statements; no pooler is in between.
    pub async fn direct(&self) -> Pool<Db> {
        self.pool_of(2).await
    }

    /// Opens a pool of at most `connections`.
    pub async fn pool_of(&self, connections: u32) -> Pool<Db> {
        SqlitePoolOptions::new()
            .max_connections(connections)
            .connect_with(self.connect_options())
            .await
            .unwrap()
    }

    /// Opens a read-only pool.
    pub async fn read_only_pool(&self) -> Pool<Db> {
        let options = self.connect_options().read_only(true);
        SqlitePoolOptions::new()
            .connect_with(options)
            .await
            .unwrap()
    }

    /// Opens a pool whose connections do not wait for a foreign writer.
    pub async fn impatient_pool(&self) -> Pool<Db> {
        let options = self.connect_options().busy_timeout(Duration::ZERO);
        SqlitePoolOptions::new()
            .connect_with(options)
            .await
            .unwrap()
    }

    /// The URL of this database, for another process.
    pub fn url(&self) -> String {
        format!("sqlite://{}/test.db?mode=rwc", self.folder.path().display())
    }

    /// Counts the committed payments, on a separate connection.
    pub async fn payments(&self) -> i64 {
        let pool = self.pool_of(1).await;
        let count = sqlx::query_scalar(COUNT_PAYMENTS)
            .fetch_one(&pool)
            .await
            .unwrap();
        pool.close().await;
        count
    }

    fn connect_options(&self) -> SqliteConnectOptions {
        SqliteConnectOptions::new()
            .filename(self.folder.path().join("test.db"))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
    }
}

/// Opens a pool of at most `connections` to a URL.
pub async fn pool_at(url: &str, connections: u32) -> Pool<Db> {
    let options = SqlitePoolOptions::new().max_connections(connections);
    options.connect(url).await.unwrap()
}

/// None: the server is a library in the application's process.
#[expect(clippy::unused_async, reason = "as on the other databases")]
pub async fn server_cpu() -> Option<Duration> {
    None
}

/// Moves every record's expiry to a second ago.
pub async fn age_records(pool: &Pool<Db>) {
    sqlx::query("update idem_record set expires_at = unixepoch() * 1000 - 1000")
        .execute(pool)
        .await
        .unwrap();
}

/// Moves the end of every refusal of a late retry to a second ago.
pub async fn end_refusals(pool: &Pool<Db>) {
    let end = "update idem_record set refused_until = unixepoch() * 1000 - 1000; \
        update idem_tombstone set expires_at = unixepoch() * 1000 - 1000";
    sqlx::raw_sql(end).execute(pool).await.unwrap();
}

/// Keeps the file of a failed test.
impl Drop for TestDb {
    fn drop(&mut self) {
        if thread::panicking() {
            self.folder.disable_cleanup(true);
            eprintln!("the database of this test is kept: {}", self.url());
        }
    }
}
