//! A fresh MariaDB or MySQL database for a test.

use std::{sync::OnceLock, thread, time::Duration};

use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, Executor, MySql, MySqlConnection, Pool,
    mysql::{MySqlConnectOptions, MySqlPoolOptions},
};
use tokio::{runtime, time};
use uuid::Uuid;

use crate::server::{Kind, Server};

/// The database that tests beside this module run on.
pub type Db = MySql;

/// The name of this database in Cargo features.
pub const FEATURE: &str = "mysql";

/// Creates the table `payment`, which [`TestDb::new`] has done already.
pub const CREATE_PAYMENT: &str = "create table payment (
    id bigint not null auto_increment primary key,
    tenant varchar(255) not null,
    amount bigint not null,
    reference varchar(255) not null
)";

/// Inserts a payment: bind tenant, amount and reference; the row that comes back is its id (`i64`).
#[cfg(not(idem_on_mysql))]
pub const INSERT_PAYMENT: &str =
    "insert into payment (tenant, amount, reference) values (?, ?, ?) returning id";

/// Inserts a payment: bind tenant, amount and reference; the row that comes back is its id (`i64`).
///
/// MySQL returns no rows from an insert.
#[cfg(idem_on_mysql)]
pub const INSERT_PAYMENT: &str = "select pay(?, ?, ?) /* insert into payment */";

#[cfg(idem_on_mysql)]
const CREATE_PAY: &str = "create function pay(
        tenant varchar(255), amount bigint, reference varchar(255)) returns bigint
        modifies sql data
    begin
        insert into payment (tenant, amount, reference) values (tenant, amount, reference);
        return last_insert_id();
    end";

/// Counts the payments of all tenants (`i64`).
pub const COUNT_PAYMENTS: &str = "select count(*) from payment";

/// A database of one test, with an empty table `payment`.
///
/// The server is the one of `IDEM_TEST_MYSQL_URL`, else a container that all tests of this
/// checkout share: of the image `IDEM_TEST_MYSQL_IMAGE`, or of MariaDB. The database is dropped
/// when the value is dropped, unless the test panics: then it stays and standard error says where.
#[derive(Debug)]
pub struct TestDb {
    name: String,
    server: &'static Server,
}

impl TestDb {
    /// Creates a database without any table, for a program that makes its own.
    pub async fn empty() -> Self {
        let db = Self {
            name: format!("idem_{}", Uuid::new_v4().simple()),
            server: server(),
        };
        administer(db.server, format!("create database {}", db.name)).await;
        db
    }

    /// Creates the database.
    pub async fn new() -> Self {
        let db = Self::empty().await;
        let mut connection = db.connect_options().connect().await.unwrap();
        connection.execute(CREATE_PAYMENT).await.unwrap();
        #[cfg(idem_on_mysql)]
        connection.execute(CREATE_PAY).await.unwrap();
        connection.close().await.unwrap();
        db
    }

    /// Opens a pool of five connections.
    pub async fn pool(&self) -> Pool<Db> {
        self.pool_of(5).await
    }

    /// Opens a pool of at most `connections`.
    pub async fn pool_of(&self, connections: u32) -> Pool<Db> {
        self.pool_with(connections, &[]).await
    }

    /// Opens a pool to a node that takes no writes.
    pub async fn read_only_pool(&self) -> Pool<Db> {
        self.pool_with(5, &["transaction read only"]).await
    }

    /// Opens a pool of at most `connections` whose sessions begin with these settings.
    ///
    /// A setting is what follows `set session`, as `wait_timeout = 7`.
    pub async fn pool_with(&self, connections: u32, settings: &'static [&'static str]) -> Pool<Db> {
        MySqlPoolOptions::new()
            .max_connections(connections)
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    for setting in settings {
                        let set = AssertSqlSafe(format!("set session {setting}"));
                        connection.execute(sqlx::raw_sql(set)).await?;
                    }
                    Ok(())
                })
            })
            .connect_with(self.connect_options())
            .await
            .unwrap()
    }

    /// Where another process, or a [`Proxy`](crate::proxy::Proxy), finds this database.
    pub fn url(&self) -> String {
        self.connect_options().to_url_lossy().into()
    }

    /// Counts the payments that are committed, on a connection of its own.
    pub async fn payments(&self) -> i64 {
        let mut connection = self.connect_options().connect().await.unwrap();
        let count = sqlx::query_scalar(COUNT_PAYMENTS)
            .fetch_one(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
        count
    }

    fn connect_options(&self) -> MySqlConnectOptions {
        options(self.server).database(&self.name)
    }
}

/// Makes every record look as if it had expired a second ago.
pub async fn age_records(pool: &Pool<Db>) {
    let age = "update idem_record set expires_at = utc_timestamp(6) - interval 1 second";
    pool.execute(age).await.unwrap();
}

/// Drops the database of a test that passed, keeps that of a failed one.
impl Drop for TestDb {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the database of this test is kept: {}", self.url());
            return;
        }
        let (name, server) = (self.name.clone(), self.server);
        // A thread of its own, since a destructor inside a runtime cannot wait for a future.
        let dropped = thread::spawn(move || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(drop_database(server, &name));
        });
        dropped.join().unwrap();
    }
}

/// Ends the connections that are still open: what they hold would be waited for.
async fn drop_database(server: &Server, name: &str) {
    let mut connection = connect_when_started(&options(server)).await;
    let open = sqlx::query_scalar(SESSIONS);
    let open: Vec<i64> = open.bind(name).fetch_all(&mut connection).await.unwrap();
    for id in open {
        // It may have ended by itself meanwhile.
        let kill = AssertSqlSafe(format!("kill connection {id}"));
        let _killed = connection.execute(sqlx::raw_sql(kill)).await;
    }
    let drop = AssertSqlSafe(format!("drop database {name}"));
    connection.execute(sqlx::raw_sql(drop)).await.unwrap();
    connection.close().await.unwrap();
}

#[cfg(not(idem_on_mysql))]
const SESSIONS: &str = "select cast(id as signed) from information_schema.processlist where db = ?";

/// MySQL's other list fails on statements with bytes in them.
#[cfg(idem_on_mysql)]
const SESSIONS: &str = "select cast(processlist_id as signed) from performance_schema.threads \
    where processlist_db = ?";

async fn administer(server: &Server, statement: String) {
    let mut connection = connect_when_started(&options(server)).await;
    let statement = sqlx::raw_sql(AssertSqlSafe(statement));
    connection.execute(statement).await.unwrap();
    connection.close().await.unwrap();
}

/// A container answers a few seconds after its start.
async fn connect_when_started(options: &MySqlConnectOptions) -> MySqlConnection {
    let mut attempts_left = 300;
    loop {
        match options.connect().await {
            Ok(connection) => return connection,
            Err(error) if attempts_left == 0 => panic!("the server does not answer: {error}"),
            Err(_) => attempts_left -= 1,
        }
        time::sleep(Duration::from_millis(100)).await;
    }
}

fn options(server: &Server) -> MySqlConnectOptions {
    server.url.parse().unwrap()
}

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    Server::shared(&KIND, &SERVER)
}

static KIND: Kind = Kind {
    name: "MariaDB",
    variable: "IDEM_TEST_MYSQL_URL",
    image: match option_env!("IDEM_TEST_MYSQL_IMAGE") {
        Some(image) if !image.is_empty() => image,
        _ => "mariadb:10.11",
    },
    port: "3306/tcp",
    options: [
        &[
            "--env",
            "MARIADB_ROOT_PASSWORD=idem",
            "--env",
            "MYSQL_ROOT_PASSWORD=idem",
        ],
        &[
            "--max-connections=500",
            // MySQL writes a log that replicas read, where our function could be unsafe.
            "--log-bin-trust-function-creators=1",
        ],
    ],
    url: ["mysql://root:idem@127.0.0.1:", "/mysql?ssl-mode=disabled"],
};
