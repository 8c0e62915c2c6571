//! A fresh MariaDB or MySQL database for a test.

use std::{env, sync::OnceLock, thread, time::Duration};

use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, Executor, MySql, MySqlConnection, Pool,
    mysql::{MySqlConnectOptions, MySqlPoolOptions},
};
use uuid::Uuid;

use crate::server::{self, Kind, Server};

/// The database that tests beside this module run on.
pub type Db = MySql;

/// The name of this database in Cargo features.
pub const FEATURE: &str = "mysql";

/// Creates the table `payment`, as [`TestDb::new`] does.
pub const CREATE_PAYMENT: &str = "create table payment (
    id bigint not null auto_increment primary key,
    tenant varchar(255) not null,
    amount bigint not null,
    reference varchar(255) not null
) character set utf8mb4";

/// Inserts a payment: bind tenant, amount and reference; it returns the id (`i64`) as a row.
///
/// MariaDB runs the first comment, and MySQL the second, since its inserts return no rows.
pub const INSERT_PAYMENT: &str = "/*M!100000 \
    insert into payment (tenant, amount, reference) values (?, ?, ?) returning id \
    *//*!80000 select pay(?, ?, ?) */";

/// Counts the payments of all tenants (`i64`).
pub const COUNT_PAYMENTS: &str = "select count(*) from payment";

/// A database of one test, with an empty table `payment`.
///
/// The server is that of `IDEM_TEST_MYSQL_URL`, or else a container that all tests of this
/// checkout share, from the image `IDEM_TEST_MYSQL_IMAGE` or of MariaDB. Dropping the value drops
/// the database, unless the test panics: then it stays, and standard error says where.
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

    /// Creates the database.
    pub async fn new() -> Self {
        let db = Self::empty().await;
        let mut connection = db.connect_options().connect().await.unwrap();
        connection.execute(CREATE_PAYMENT).await.unwrap();
        if is_mysql() {
            connection.execute(CREATE_PAY).await.unwrap();
        }
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

    /// Opens a pool of an account that may only read and write rows of this database, and pay.
    pub async fn unprivileged_pool(&self) -> Pool<Db> {
        let account = account(&self.name);
        let create = format!("create user {account} identified by 'idem'");
        administer(self.server, create).await;
        let may = "select, insert, update, delete, execute";
        let grant = format!("grant {may} on {}.* to {account}", self.name);
        administer(self.server, grant).await;
        let options = self.connect_options().username(account).password("idem");
        MySqlPoolOptions::new().connect_with(options).await.unwrap()
    }

    /// Opens a pool to a node that takes no writes.
    pub async fn read_only_pool(&self) -> Pool<Db> {
        self.pool_after(5, vec!["set session transaction read only".to_owned()])
            .await
    }

    /// Opens a pool of at most `connections` whose sessions start with these settings.
    ///
    /// A value is written as in SQL: `("wait_timeout", "7")`, `("sql_mode", "'ansi'")`.
    pub async fn pool_with(&self, connections: u32, settings: &[(&str, &str)]) -> Pool<Db> {
        let set = |(name, value): &(&str, &str)| format!("set session {name} = {value}");
        self.pool_after(connections, settings.iter().map(set).collect())
            .await
    }

    async fn pool_after(&self, connections: u32, statements: Vec<String>) -> Pool<Db> {
        MySqlPoolOptions::new()
            .max_connections(connections)
            .after_connect(move |connection, _| {
                let statements = statements.clone();
                Box::pin(async move {
                    for statement in statements {
                        run(connection, statement).await?;
                    }
                    Ok(())
                })
            })
            .connect_with(self.connect_options())
            .await
            .unwrap()
    }

    /// Opens a pool of at most `connections` that does not test them before use.
    pub async fn untested_pool(&self, connections: u32) -> Pool<Db> {
        MySqlPoolOptions::new()
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
        let mark = format!("mark_{}", Uuid::new_v4().simple());
        if is_mysql() {
            let mut connection = self.connect_options().connect().await.unwrap();
            run(&mut connection, failing_event(&mark)).await.unwrap();
            connection.close().await.unwrap();
        } else {
            let stranger = self.connect_options().username(&mark);
            stranger.connect().await.unwrap_err();
        }
        self.server.log_until(&mark).await
    }

    fn connect_options(&self) -> MySqlConnectOptions {
        options(self.server).database(&self.name)
    }
}

/// Opens a pool of at most `connections` to a URL, such as a [`Proxy`](crate::proxy::Proxy)'s.
pub async fn pool_at(url: &str, connections: u32) -> Pool<Db> {
    let options = MySqlPoolOptions::new().max_connections(connections);
    options.connect(url).await.unwrap()
}

/// How long the server has kept a processor busy so far, if it runs in our container.
pub async fn server_cpu() -> Option<Duration> {
    server().cpu().await
}

/// Moves every record's expiry to a second ago.
pub async fn age_records(pool: &Pool<Db>) {
    let age = "update idem_record set expires_at = utc_timestamp(6) - interval 1 second";
    pool.execute(age).await.unwrap();
}

/// Moves the end of every refusal of a late retry to a second ago.
pub async fn end_refusals(pool: &Pool<Db>) {
    let end = "update idem_record set refused_until = utc_timestamp(6) - interval 1 second; \
        update idem_tombstone set expires_at = utc_timestamp(6) - interval 1 second";
    pool.execute(end).await.unwrap();
}

/// Drops the database of a passed test and keeps that of a failed one.
impl Drop for TestDb {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the database of this test is kept: {}", self.url());
            return;
        }
        server::finish(drop_database(self.server, self.name.clone()));
    }
}

/// Kills the connections that are still open, since DROP waits for their locks.
async fn drop_database(server: &Server, name: String) {
    let mut connection: MySqlConnection = server::connect(&options(server)).await;
    run(&mut connection, "set lock_wait_timeout = 1".to_owned())
        .await
        .unwrap();
    let mut attempts_left = 30;
    loop {
        kill_connections_to(&name, &mut connection).await;
        match run(&mut connection, format!("drop database {name}")).await {
            Ok(()) => break,
            Err(error) if attempts_left == 0 => panic!("{name} is not dropped: {error}"),
            // One that was opened meanwhile is in the way.
            Err(_) => attempts_left -= 1,
        }
    }
    let account = format!("drop user if exists {}", account(&name));
    run(&mut connection, account).await.unwrap();
    connection.close().await.unwrap();
}

/// The name of the database's own account, which may be shorter than that of a database.
fn account(database: &str) -> &str {
    &database[..database.len().min(32)]
}

async fn kill_connections_to(name: &str, connection: &mut MySqlConnection) {
    let open = sqlx::query_scalar::<_, i64>(SESSIONS);
    for id in open.bind(name).fetch_all(&mut *connection).await.unwrap() {
        // It may have ended by itself meanwhile.
        let _ended = run(connection, format!("kill connection {id}")).await;
    }
}

/// MySQL's view of the same name fails on statements with binary data.
const SESSIONS: &str = "select /*M!100000 \
    cast(id as signed) from information_schema.processlist where db \
    *//*!80000 \
    cast(processlist_id as signed) from performance_schema.threads where processlist_db \
    */ = ?";

async fn administer(server: &Server, statement: String) {
    let mut connection: MySqlConnection = server::connect(&options(server)).await;
    run(&mut connection, statement).await.unwrap();
    connection.close().await.unwrap();
}

async fn run(connection: &mut MySqlConnection, statement: String) -> sqlx::Result<()> {
    let statement = sqlx::raw_sql(AssertSqlSafe(statement));
    connection.execute(statement).await.map(|_| ())
}

/// An event that fails with this message: MySQL logs only warnings, and a refused login is none.
fn failing_event(message: &str) -> String {
    format!(
        "create event {message} on schedule at current_timestamp
            do signal sqlstate '45000' set message_text = '{message}'"
    )
}

fn options(server: &Server) -> MySqlConnectOptions {
    server.url.parse().unwrap()
}

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    let image = image().unwrap_or_else(|| MARIADB.to_owned());
    Server::shared(&KIND, &image, &SERVER)
}

/// Whether the server is MySQL and not MariaDB, in a container or at a URL.
pub fn is_mysql() -> bool {
    image().is_some_and(|image| image.starts_with("mysql"))
}

/// The image that the environment asks for.
fn image() -> Option<String> {
    let image = env::var("IDEM_TEST_MYSQL_IMAGE").ok();
    image.filter(|image| !image.is_empty())
}

const MARIADB: &str = "mariadb:10.11";

static KIND: Kind = Kind {
    name: "MariaDB",
    variable: "IDEM_TEST_MYSQL_URL",
    port: 3306,
    environment: &[
        ("MARIADB_ROOT_PASSWORD", "idem"),
        ("MYSQL_ROOT_PASSWORD", "idem"),
    ],
    arguments: &[
        "--max-connections=500",
        // As servers do that are replicated.
        "--log-bin",
        // MySQL writes a log that replicas read, where our function could be unsafe.
        "--log-bin-trust-function-creators=1",
    ],
    not_durable: &["--innodb-flush-log-at-trx-commit=0", "--sync-binlog=0"],
    data: "/var/lib/mysql",
    url: ["mysql://root:idem@", "/mysql?ssl-mode=disabled"],
};

const CREATE_PAY: &str = "
    create function pay(
        tenant varchar(255) character set utf8mb4,
        amount bigint,
        reference varchar(255) character set utf8mb4
    ) returns bigint modifies sql data
    begin
        insert into payment (tenant, amount, reference) values (tenant, amount, reference);
        return last_insert_id();
    end";
