//! Three MySQL servers as one group of Group Replication, each in a container.

mod docker;
mod group;
mod server;

use std::ops::Range;

use sqlx::{ConnectOptions, MySqlConnection, mysql::MySqlConnectOptions};
use tokio::sync::{Mutex, MutexGuard, OnceCell};
use uuid::Uuid;

pub use self::group::{Frozen, Mode};
use self::group::{Group, SYNCED};
use crate::until::until;

/// The name of this database in Cargo features.
pub const FEATURE: &str = "mysql";

/// The servers' numbers.
pub const NODES: Range<usize> = 0..3;

/// The group of this process, lent to one test at a time, with a database for that test.
///
/// The servers end with the process in any case.
#[derive(Debug)]
pub struct Cluster {
    group: &'static Group,
    database: String,
    _turn: MutexGuard<'static, ()>,
}

impl Cluster {
    /// Waits until the group is free and nothing in it is frozen or isolated. All members take writes.
    pub async fn lend() -> Self {
        Self::lend_as(Mode::MultiPrimary).await
    }

    /// The same where these members take writes.
    pub async fn lend_as(mode: Mode) -> Self {
        static TURN: Mutex<()> = Mutex::const_new(());
        static GROUP: OnceCell<Group> = OnceCell::const_new();
        let turn = TURN.lock().await;
        let cluster = Self {
            group: GROUP.get_or_init(Group::start).await,
            database: format!("idem_{}", Uuid::new_v4().simple()),
            _turn: turn,
        };
        cluster.group.become_again(mode).await;
        for (name, value) in DEFAULTS {
            cluster.set(name, value).await;
        }
        let create = format!("create database {}", cluster.database);
        cluster.group.run(0, &create).await;
        cluster.is_settled().await;
        cluster
    }

    /// Waits until every node has applied all earlier changes.
    pub async fn is_settled(&self) {
        for node in NODES {
            self.group.run(node, SYNCED).await;
        }
    }

    /// The URL of the test's database on this node, for a user without privileges of an administrator.
    pub fn url(&self, node: usize) -> String {
        self.group.url(node, &self.database)
    }

    /// A connection to the test's database that sees what other nodes have committed.
    pub async fn connect(&self, node: usize) -> MySqlConnection {
        let mut conn = self.connect_unsynced(node).await;
        sqlx::raw_sql(SYNCED).execute(&mut conn).await.unwrap();
        conn
    }

    /// A connection that does not wait for what other nodes have committed.
    pub async fn connect_unsynced(&self, node: usize) -> MySqlConnection {
        self.options(node).connect().await.unwrap()
    }

    /// A connection to an isolated node.
    pub async fn connect_isolated(&self, node: usize) -> MySqlConnection {
        self.connect_unsynced(node).await
    }

    /// Sets a global variable on each node, until another test begins.
    pub async fn set(&self, name: &str, value: &str) {
        for node in NODES {
            self.group.set(node, name, value).await;
        }
    }

    /// Waits until a statement with this text waits for what other nodes have committed.
    pub async fn is_holding(&self, node: usize, text: &str) {
        self.group.is_holding(node, text).await;
    }

    /// Kills a server as `kill -9` does.
    pub async fn kill(&self, node: usize) {
        self.group.kill(node).await;
    }

    /// Starts a killed server again, which joins the group by itself.
    pub async fn come_back(&self, node: usize) {
        self.group.come_back(node).await;
    }

    /// Makes this node the only primary in place of the one that is.
    pub async fn make_primary(&self, node: usize) {
        self.group.make_primary(node).await;
    }

    /// Waits until one of these nodes is to be the primary, and returns it.
    pub async fn elected_of(&self, nodes: &[usize]) -> usize {
        self.group.elected_of(nodes).await
    }

    /// Waits until one of these nodes is the primary and takes writes, and returns it.
    pub async fn primary_of(&self, nodes: &[usize]) -> usize {
        self.group.primary_of(nodes).await
    }

    /// Stops a server where it is, like a machine that swaps.
    pub fn freeze(&self, node: usize) -> Frozen<'static> {
        self.group.freeze(node)
    }

    /// Cuts a node off from the other two, and waits until it has given up.
    pub async fn isolate(&self, node: usize) {
        self.cut_off(node).await;
        self.group.is_read_only(node).await;
    }

    /// Cuts a node off from the other two.
    pub async fn cut_off(&self, node: usize) {
        self.group.cut_off(node).await;
    }

    /// Takes a node out of the group, as its administrator does.
    pub async fn leave(&self, node: usize) {
        self.group.run(node, "stop group_replication").await;
    }

    /// Ends [`Cluster::cut_off`], [`Cluster::isolate`] and [`Cluster::leave`].
    pub async fn heal(&self, node: usize) {
        self.group.heal(node).await;
    }

    /// Waits until all nodes are members of one group and have all of its data.
    pub async fn is_whole(&self) {
        self.group.is_whole().await;
    }

    /// Waits until this node sees this many members in its group.
    pub async fn has_members(&self, node: usize, members: usize) {
        self.group.has_members(node, members).await;
    }

    /// Waits until a COMMIT runs on this node.
    pub async fn is_committing(&self, node: usize) {
        let running = "select count(*) from performance_schema.threads \
            where processlist_info like 'commit%' and processlist_db = database()";
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

    /// How many transactions of this node's clients were refused at COMMIT in favour of other nodes.
    pub async fn conflicts(&self, node: usize) -> u64 {
        let raised = "select cast(sum(sum_error_raised) as unsigned) \
            from performance_schema.events_errors_summary_global_by_error \
            where error_number in (1030, 1180, 3101)";
        let mut conn = self.connect_unsynced(node).await;
        let raised = sqlx::query_scalar(raised);
        raised.fetch_one(&mut conn).await.unwrap()
    }

    fn options(&self, node: usize) -> MySqlConnectOptions {
        self.group.options(node).database(&self.database)
    }
}

/// Those of MySQL, except that a node that has lost the others gives up.
const DEFAULTS: [(&str, &str); 2] = [
    (
        "group_replication_consistency",
        "'BEFORE_ON_PRIMARY_FAILOVER'",
    ),
    ("group_replication_unreachable_majority_timeout", "2"),
];
