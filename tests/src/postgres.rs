//! A fresh Postgres database for a test.

use std::{sync::OnceLock, thread, time::Duration};

use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, PgConnection, Pool, Postgres,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use uuid::Uuid;

use crate::server::{self, Kind, Server};

/// The database that tests beside this module run on.
pub type Db = Postgres;

/// The name of this database in Cargo features.
pub const FEATURE: &str = "postgres";

/// Creates the table `payment`, as [`TestDb::new`] does.
pub const CREATE_PAYMENT: &str = "create table payment (
    id bigint generated always as identity primary key,
    tenant text not null,
    amount bigint not null,
    reference text not null
)";

/// Inserts a payment: bind tenant, amount and reference; it returns the id (`i64`) as a row.
pub const INSERT_PAYMENT: &str =
    "insert into payment (tenant, amount, reference) values ($1, $2, $3) returning id";

/// Counts the payments of all tenants (`i64`).
pub const COUNT_PAYMENTS: &str = "select count(*) from payment";

/// A database of one test, with an empty table `payment`.
///
/// The server is that of `IDEM_TEST_POSTGRES_URL`, or else a container that all tests of this
/// checkout share. Dropping the value drops the database and its open connections, unless the
/// test panics: then it stays, and standard error says where.
#[derive(Debug)]
pub struct TestDb {
    name: String,
    server: &'static Server,
}

impl TestDb {
    /// Creates a database without tables, for a program that creates its own.
    pub async fn empty() -> Self {
        let db = Self {
            name: format!("idem_{}", Uuid::new_v4().simple()),
            server: server(),
        };
        administer(db.server, format!("create database {}", db.name)).await;
        db
    }

    /// The database of this name, which exists.
    pub(crate) fn existing(name: String, server: &'static Server) -> Self {
        Self { name, server }
    }

    /// Creates the database.
    pub async fn new() -> Self {
        let db = Self::empty().await;
        let mut connection = db.connect_options().connect().await.unwrap();
        sqlx::query(CREATE_PAYMENT)
            .execute(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
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
        self.pool_with(connections, &[]).await
    }

    /// Opens a pool to a node that takes no writes.
    pub async fn read_only_pool(&self) -> Pool<Db> {
        self.pool_with(5, &[("default_transaction_read_only", "on")])
            .await
    }

    /// Opens a pool of at most `connections` whose sessions start with these settings.
    pub async fn pool_with(&self, connections: u32, settings: &[(&str, &str)]) -> Pool<Db> {
        PgPoolOptions::new()
            .max_connections(connections)
            .connect_with(self.connect_options().options(settings.iter().copied()))
            .await
            .unwrap()
    }

    /// Opens a pool of at most `connections` that does not test them before use.
    pub async fn untested_pool(&self, connections: u32) -> Pool<Db> {
        PgPoolOptions::new()
            .max_connections(connections)
            .test_before_acquire(false)
            .connect_with(self.connect_options())
            .await
            .unwrap()
    }

    /// The URL of this database, for another process or a [`Proxy`](crate::proxy::Proxy).
    pub fn url(&self) -> String {
        self.connect_options().to_url_lossy().into()
    }

    /// Counts the committed payments, on a separate connection.
    pub async fn payments(&self) -> i64 {
        let mut connection = self.connect_options().connect().await.unwrap();
        let count = sqlx::query_scalar(COUNT_PAYMENTS)
            .fetch_one(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
        count
    }

    /// The server's log so far, of all tests.
    ///
    /// Only a server in our container has a readable log: tests that call this carry
    /// `#[cfg_attr(idem_no_server_log, ignore = "…")]`.
    pub async fn server_log(&self) -> String {
        // The server writes in order: once the mark is there, everything before it is there too.
        let mark = format!("mark {}", Uuid::new_v4());
        let raise = format!("do $$ begin raise log '{mark}'; end $$");
        let mut connection = self.connect_options().connect().await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(raise))
            .execute(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
        self.server.log_until(&mark).await
    }

    fn connect_options(&self) -> PgConnectOptions {
        options(self.server).database(&self.name)
    }
}

/// Opens a pool of at most `connections` to a URL, such as a [`Proxy`](crate::proxy::Proxy)'s.
pub async fn pool_at(url: &str, connections: u32) -> Pool<Db> {
    let options = PgPoolOptions::new().max_connections(connections);
    options.connect(url).await.unwrap()
}

/// How long the server has kept a processor busy so far, if it runs in our container.
pub async fn server_cpu() -> Option<Duration> {
    server().cpu().await
}

/// Moves every record's expiry to a second ago.
pub async fn age_records(pool: &Pool<Db>) {
    sqlx::raw_sql("update idem.record set expires_at = now() - interval '1 second'")
        .execute(pool)
        .await
        .unwrap();
}

/// Moves the end of every refusal of a late retry to a second ago.
pub async fn end_refusals(pool: &Pool<Db>) {
    let end = "update idem.record set refused_until = now() - interval '1 second'; \
        update idem.tombstone set expires_at = now() - interval '1 second'";
    sqlx::raw_sql(end).execute(pool).await.unwrap();
}

/// Drops the database of a passed test and keeps that of a failed one.
impl Drop for TestDb {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the database of this test is kept: {}", self.url());
            return;
        }
        let statement = format!("drop database {} with (force)", self.name);
        server::finish(administer(self.server, statement));
    }
}

pub(crate) async fn administer(server: &Server, statement: String) {
    let mut connection: PgConnection = server::connect(&options(server)).await;
    sqlx::raw_sql(AssertSqlSafe(statement))
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
}

pub(crate) fn options(server: &Server) -> PgConnectOptions {
    server.url.parse().unwrap()
}

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    Server::shared(&KIND, "postgres:18", &SERVER)
}

static KIND: Kind = Kind {
    name: "Postgres",
    variable: "IDEM_TEST_POSTGRES_URL",
    port: 5432,
    // A password is hashed thousands of times for each connection, and the tests open thousands.
    environment: &[
        ("POSTGRES_PASSWORD", "idem"),
        ("POSTGRES_HOST_AUTH_METHOD", "trust"),
    ],
    arguments: &["-c", "max_connections=500"],
    not_durable: &["-c", "fsync=off"],
    data: "/var/lib/postgresql",
    url: ["postgres://postgres:idem@", "/postgres?sslmode=disable"],
};
