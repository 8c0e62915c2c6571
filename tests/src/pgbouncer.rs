//! A Postgres database behind PgBouncer in transaction mode.

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use rustix::process::geteuid;
use sqlx::{
    Pool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tempfile::TempDir;

pub use crate::postgres::{
    COUNT_PAYMENTS, CREATE_PAYMENT, Db, FEATURE, INSERT_PAYMENT, age_records,
};
use crate::{
    daemon::{self, Daemon},
    postgres,
};

/// Like [`postgres::TestDb`], but its pools go through their own pooler.
#[derive(Debug)]
pub struct TestDb {
    /// Dropped first: it holds connections to the database.
    pooler: PgBouncer,
    db: postgres::TestDb,
}

impl TestDb {
    /// Creates the database and starts a pooler with few connections to it.
    pub async fn new() -> Self {
        let db = postgres::TestDb::new().await;
        let pooler = PgBouncer::start(&db.url(), FEW).await;
        Self { pooler, db }
    }

    /// Opens a pool of five connections to the pooler.
    pub async fn pool(&self) -> Pool<Db> {
        self.pool_of(5).await
    }

    /// Opens a pool of at most `connections` to the pooler.
    pub async fn pool_of(&self, connections: u32) -> Pool<Db> {
        postgres::pool_at(self.pooler.url(), connections).await
    }

    /// Opens a pool that bypasses the pooler, for a test's own statements.
    pub async fn direct(&self) -> Pool<Db> {
        self.db.pool_of(2).await
    }

    /// Counts the committed payments, bypassing the pooler.
    pub async fn payments(&self) -> i64 {
        self.db.payments().await
    }
}

/// Fewer than a test has clients, so that they share server connections.
const FEW: usize = 4;

/// A pooler of one test: a child process that ends with the test.
#[derive(Debug)]
pub struct PgBouncer {
    url: String,
    _server: Daemon,
}

impl PgBouncer {
    /// Starts a pooler with at most `servers` connections to a database, and waits until it answers.
    pub async fn start(database: &str, servers: usize) -> Self {
        let folder = TempDir::with_prefix("idem-pgbouncer-").unwrap().keep();
        let (log, data) = (folder.join("log"), folder.join("data"));
        fs::create_dir(&data).unwrap();
        let port = daemon::free_ports(1);
        let config = data.join("pgbouncer.ini");
        fs::write(&config, configuration(database, port, servers)).unwrap();
        // It refuses to be root, and reads this again as whoever it is then.
        for path in [&folder, &data, &config] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let mut program = Command::new("pgbouncer");
        if geteuid().is_root() {
            program.args(["-u", "nobody"]);
        }
        let server = Daemon::start(program.arg(&config), &log, &data);
        let options: PgConnectOptions = database.parse().unwrap();
        let name = options.get_database().unwrap();
        let url = format!("postgres://idem@127.0.0.1:{port}/{name}?sslmode=disable");
        let connect = async || PgPoolOptions::new().max_connections(1).connect(&url).await;
        daemon::answer(&log, connect).await.close().await;
        Self {
            url,
            _server: server,
        }
    }

    /// The URL of the database for clients.
    pub fn url(&self) -> &str {
        &self.url
    }
}

fn configuration(database: &str, port: u16, servers: usize) -> String {
    let options: PgConnectOptions = database.parse().unwrap();
    let url = sqlx::ConnectOptions::to_url_lossy(&options);
    let (name, host, at) = (
        options.get_database().unwrap(),
        options.get_host(),
        options.get_port(),
    );
    let (user, password) = (options.get_username(), url.password().unwrap_or_default());
    // `any` lets in whoever comes, and each is the database's own user.
    format!(
        "[databases]\n\
         {name} = host={host} port={at} user={user} password={password}\n\
         [pgbouncer]\n\
         listen_addr = 127.0.0.1\n\
         listen_port = {port}\n\
         unix_socket_dir =\n\
         auth_type = any\n\
         pool_mode = transaction\n\
         default_pool_size = {servers}\n\
         max_client_conn = 200\n\
         ignore_startup_parameters = extra_float_digits\n"
    )
}
