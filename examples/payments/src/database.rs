//! The one place that names the database of this build.

#[cfg(any(feature = "postgres", feature = "mysql"))]
use std::error::Error;
#[cfg(any(feature = "postgres", feature = "mysql"))]
use std::time::Duration;

#[cfg(any(feature = "postgres", feature = "mysql"))]
use tokio::time::timeout;

#[cfg(all(feature = "mysql", not(feature = "postgres")))]
pub(crate) use mysql::{DEFAULT_URL, Db, begin, connect, open};
#[cfg(feature = "postgres")]
pub(crate) use postgres::{DEFAULT_URL, Db, begin, connect, open};
#[cfg(all(feature = "sqlite", not(any(feature = "postgres", feature = "mysql"))))]
pub(crate) use sqlite::{DEFAULT_URL, Db, connect, open};

#[cfg(not(any(feature = "sqlite", feature = "postgres", feature = "mysql")))]
compile_error!(
    "choose a database: `--features sqlite`, `--features postgres` or `--features mysql`"
);

/// The connection behind a handler's `Tx`.
pub(crate) type Connection = <Db as sqlx::Database>::Connection;

/// Limits the wait for a server that may never answer.
#[cfg(any(feature = "postgres", feature = "mysql"))]
async fn in_time(
    limit: Duration,
    connecting: impl Future<Output = sqlx::Result<()>>,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    match timeout(limit, connecting).await {
        Ok(connected) => Ok(connected?),
        Err(_) => Err(format!("no answer within {}", humantime::format_duration(limit)).into()),
    }
}

#[cfg(all(feature = "sqlite", not(any(feature = "postgres", feature = "mysql"))))]
mod sqlite {
    use std::error::Error;
    use std::time::Duration;

    use sqlx::SqlitePool;
    use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};

    pub(crate) type Db = sqlx::Sqlite;

    pub(crate) const DEFAULT_URL: &str = "sqlite://payments.db";

    /// Opens the file, creating it when it is missing, and brings its tables up to date.
    pub(crate) async fn connect(
        url: &str,
        size: u32,
        acquire_timeout: Duration,
    ) -> Result<SqlitePool, Box<dyn Error + Send + Sync>> {
        let pool = pool(url, size, acquire_timeout, true).await?;
        sqlx::migrate!("migrations/sqlite").run(&pool).await?;
        Ok(pool)
    }

    /// Opens the file without a migration.
    pub(crate) async fn open(
        url: &str,
        size: u32,
        acquire_timeout: Duration,
    ) -> Result<SqlitePool, Box<dyn Error + Send + Sync>> {
        pool(url, size, acquire_timeout, false).await
    }

    async fn pool(
        url: &str,
        size: u32,
        acquire_timeout: Duration,
        may_create: bool,
    ) -> Result<SqlitePool, Box<dyn Error + Send + Sync>> {
        let options = url
            .parse::<SqliteConnectOptions>()?
            .create_if_missing(may_create)
            .foreign_keys(true)
            // The one writer does not block readers and replays.
            .journal_mode(SqliteJournalMode::Wal)
            // How long to wait for the writes of other processes.
            .busy_timeout(Duration::from_secs(5));
        let pool = SqlitePoolOptions::new()
            .max_connections(size)
            .acquire_timeout(acquire_timeout)
            .connect_with(options)
            .await?;
        Ok(pool)
    }
}

#[cfg(feature = "postgres")]
mod postgres {
    use std::error::Error;
    use std::time::Duration;

    use sqlx::postgres::PgPoolOptions;
    use sqlx::{Connection, PgConnection, PgPool, PgTransaction};

    pub(crate) type Db = sqlx::Postgres;

    pub(crate) const DEFAULT_URL: &str = "postgres://localhost/payments";

    /// Connects, and brings the tables up to date.
    pub(crate) async fn connect(
        url: &str,
        size: u32,
        acquire_timeout: Duration,
    ) -> Result<PgPool, Box<dyn Error + Send + Sync>> {
        let pool = open(url, size, acquire_timeout).await?;
        sqlx::migrate!("migrations/postgres").run(&pool).await?;
        Ok(pool)
    }

    /// Connects.
    pub(crate) async fn open(
        url: &str,
        size: u32,
        acquire_timeout: Duration,
    ) -> Result<PgPool, Box<dyn Error + Send + Sync>> {
        // A pool tries a server that refuses it until its time is over, and then does not say why.
        super::in_time(acquire_timeout, async {
            PgConnection::connect(url).await?.close().await
        })
        .await?;
        let pool = PgPoolOptions::new()
            .max_connections(size)
            .acquire_timeout(acquire_timeout)
            .connect(url)
            .await?;
        Ok(pool)
    }

    /// Begins a transaction that locks only the rows it reads for update.
    pub(crate) async fn begin(conn: &mut PgConnection) -> sqlx::Result<PgTransaction<'_>> {
        conn.begin().await
    }
}

#[cfg(all(feature = "mysql", not(feature = "postgres")))]
mod mysql {
    use std::error::Error;
    use std::time::Duration;

    use sqlx::migrate::MigrateError;
    use sqlx::mysql::MySqlPoolOptions;
    use sqlx::{Connection, MySqlConnection, MySqlPool, MySqlTransaction};
    use tokio::time::sleep;

    pub(crate) type Db = sqlx::MySql;

    pub(crate) const DEFAULT_URL: &str = "mysql://localhost/payments";

    /// Connects, and brings the tables up to date.
    pub(crate) async fn connect(
        url: &str,
        size: u32,
        acquire_timeout: Duration,
    ) -> Result<MySqlPool, Box<dyn Error + Send + Sync>> {
        let pool = open(url, size, acquire_timeout).await?;
        migrate(&pool).await?;
        Ok(pool)
    }

    /// Connects.
    pub(crate) async fn open(
        url: &str,
        size: u32,
        acquire_timeout: Duration,
    ) -> Result<MySqlPool, Box<dyn Error + Send + Sync>> {
        // A pool tries a server that refuses it until its time is over, and then does not say why.
        super::in_time(acquire_timeout, async {
            MySqlConnection::connect(url).await?.close().await
        })
        .await?;
        let pool = MySqlPoolOptions::new()
            .max_connections(size)
            .acquire_timeout(acquire_timeout)
            .connect(url)
            .await?;
        Ok(pool)
    }

    /// Begins a transaction that locks only the rows it reads for update.
    pub(crate) async fn begin(conn: &mut MySqlConnection) -> sqlx::Result<MySqlTransaction<'_>> {
        // At a higher level it would also lock the gaps, and inserts there would wait.
        sqlx::query("set transaction isolation level read committed")
            .execute(&mut *conn)
            .await?;
        conn.begin().await
    }

    /// Of nodes that start together, the first to insert its mark creates the tables.
    ///
    /// The others fail until it is done: the migration lock of sqlx (0.9) excludes nobody on MariaDB,
    /// and no lock spans the servers of a Galera cluster.
    async fn migrate(pool: &MySqlPool) -> Result<(), MigrateError> {
        let mut attempts_left = 50;
        loop {
            match sqlx::migrate!("migrations/mysql").run(pool).await {
                Err(
                    error @ (MigrateError::Dirty(_)
                    | MigrateError::Execute(_)
                    | MigrateError::ExecuteMigration(..)),
                ) if attempts_left > 0 => {
                    tracing::info!(%error, "the tables are not up to date yet");
                    attempts_left -= 1;
                    sleep(Duration::from_millis(200)).await;
                }
                ended => return ended,
            }
        }
    }
}
