//! Three MariaDB servers that all take writes: a Galera cluster of child processes.

mod server;

use std::ops::Range;

use sqlx::{AssertSqlSafe, ConnectOptions, MySqlConnection, mysql::MySqlConnectOptions};
use tokio::sync::{Mutex, MutexGuard, OnceCell};
use uuid::Uuid;

use self::server::Server;
use crate::until::until;

/// The name of this database in Cargo features.
pub const FEATURE: &str = "mysql";

/// The servers' numbers.
pub const NODES: Range<usize> = 0..3;

/// The cluster of this process, lent to one test at a time, with a database for that test.
///
/// The servers end with the process in any case.
#[derive(Debug)]
pub struct Cluster {
    servers: &'static [Server],
    database: String,
    _turn: MutexGuard<'static, ()>,
}

/// A frozen server, which continues when the value is dropped.
#[derive(Debug)]
pub struct Frozen(&'static Server);

impl Drop for Frozen {
    fn drop(&mut self) {
        self.0.thaw();
    }
}

impl Cluster {
    /// Waits until the cluster is free and nothing in it is frozen or isolated.
    pub async fn lend() -> Self {
        static TURN: Mutex<()> = Mutex::const_new(());
        static SERVERS: OnceCell<Vec<Server>> = OnceCell::const_new();
        let turn = TURN.lock().await;
        let cluster = Self {
            servers: SERVERS.get_or_init(start).await,
            database: format!("idem_{}", Uuid::new_v4().simple()),
            _turn: turn,
        };
        for node in NODES {
            cluster.heal(node).await;
        }
        cluster.is_whole().await;
        let create = format!("create database {}", cluster.database);
        let mut conn = cluster.servers[0].connect().await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(create))
            .execute(&mut conn)
            .await
            .unwrap();
        cluster.is_settled().await;
        cluster
    }

    /// Waits until every node has applied all earlier changes.
    pub async fn is_settled(&self) {
        for server in self.servers {
            let mut conn = server.connect().await.unwrap();
            let wait = sqlx::raw_sql("set session wsrep_sync_wait = 1; select 1");
            wait.execute(&mut conn).await.unwrap();
        }
    }

    /// The URL of the test's database on this node.
    pub fn url(&self, node: usize) -> String {
        self.options(node).to_url_lossy().into()
    }

    /// A connection to the test's database that sees what other nodes have committed.
    pub async fn connect(&self, node: usize) -> MySqlConnection {
        let mut conn = self.connect_unsynced(node).await;
        sqlx::raw_sql("set session wsrep_sync_wait = 1")
            .execute(&mut conn)
            .await
            .unwrap();
        conn
    }

    /// A connection that does not wait for what other nodes have committed.
    pub async fn connect_unsynced(&self, node: usize) -> MySqlConnection {
        self.options(node).connect().await.unwrap()
    }

    /// A connection to an isolated node, which allows only reads of what it has.
    pub async fn connect_isolated(&self, node: usize) -> MySqlConnection {
        let mut conn = self.connect_unsynced(node).await;
        sqlx::raw_sql("set session wsrep_dirty_reads = 1, session wsrep_sync_wait = 0")
            .execute(&mut conn)
            .await
            .unwrap();
        conn
    }

    /// Stops a server where it is, like a machine that swaps.
    pub fn freeze(&self, node: usize) -> Frozen {
        self.servers[node].freeze();
        Frozen(&self.servers[node])
    }

    /// Cuts a node off from the other two, and waits until it notices.
    pub async fn isolate(&self, node: usize) {
        self.servers[node].provider("gmcast.isolate=1").await;
        self.says(node, "wsrep_ready", "OFF").await;
    }

    /// Ends [`Cluster::isolate`].
    pub async fn heal(&self, node: usize) {
        self.servers[node].provider("gmcast.isolate=0").await;
    }

    /// Waits until all nodes are members of one cluster and have all of its data.
    pub async fn is_whole(&self) {
        for node in NODES {
            self.has_members(node, 3).await;
            self.says(node, "wsrep_local_state_comment", "Synced").await;
            self.says(node, "wsrep_ready", "ON").await;
        }
    }

    /// Waits until this node sees this many members in its cluster.
    pub async fn has_members(&self, node: usize, members: usize) {
        let members = members.to_string();
        self.says(node, "wsrep_cluster_size", &members).await;
    }

    /// Waits until a COMMIT runs on this node.
    pub async fn is_committing(&self, node: usize) {
        let running = "select count(*) from information_schema.processlist \
            where info like 'commit%' and db = database()";
        let mut conn = self.connect_unsynced(node).await;
        until(
            || format!("node {node} commits"),
            async || {
                let found = sqlx::query_scalar::<_, i64>(running).fetch_one(&mut conn);
                Ok(found.await? > 0)
            },
        )
        .await;
    }

    /// How many transactions this node has refused or aborted in favour of other nodes.
    pub async fn conflicts(&self, node: usize) -> u64 {
        let server = &self.servers[node];
        let mut sum = 0;
        for counter in ["wsrep_local_cert_failures", "wsrep_local_bf_aborts"] {
            sum += server
                .status(counter)
                .await
                .unwrap()
                .parse::<u64>()
                .unwrap();
        }
        sum
    }

    async fn says(&self, node: usize, name: &str, value: &str) {
        let what = || format!("node {node} says {name} = {value}");
        let server = &self.servers[node];
        until(what, async || Ok(server.status(name).await? == value)).await;
    }

    fn options(&self, node: usize) -> MySqlConnectOptions {
        self.servers[node].options().database(&self.database)
    }
}

/// The first server starts the cluster; the others join one by one and copy its data.
async fn start() -> Vec<Server> {
    let layout = server::Layout::new();
    let mut servers = Vec::new();
    for node in NODES {
        let server = layout.start(node);
        let what = || format!("node {node} has joined; its log:\n{}", layout.log(node));
        let joined = async || Ok(server.status("wsrep_local_state_comment").await? == "Synced");
        until(what, joined).await;
        servers.push(server);
    }
    servers
}
