//! The members of a group: who they are, who takes writes, and what becomes of one.

use std::time::Duration;

use sqlx::{ConnectOptions, mysql::MySqlConnectOptions};
use uuid::Uuid;

use super::{
    NODES,
    docker::docker,
    server::{PREFIX, Server},
};
use crate::{
    server::LABEL,
    until::{until, until_each_within},
};

/// Three servers of one group, which end with the value.
#[derive(Debug)]
pub(super) struct Group {
    servers: Vec<Server>,
}

/// Which members take writes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "a test chooses one")]
pub enum Mode {
    /// The first one, and another one where it fails.
    SinglePrimary,
    /// All.
    MultiPrimary,
}

/// A frozen server, which continues when the value is dropped.
#[derive(Debug)]
pub struct Frozen<'a>(&'a Server);

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        self.0.thaw();
    }
}

impl Group {
    /// Starts the servers; the first one starts the group.
    pub(super) async fn start() -> Self {
        let network = format!("{PREFIX}{}", Uuid::new_v4());
        let label = format!("{LABEL}={}", env!("CARGO_MANIFEST_DIR"));
        docker(&[
            "network",
            "create",
            "--internal",
            "--label",
            &label,
            &network,
        ])
        .await;
        let server = async |node| {
            let server = Server::new(&network, node).await;
            server.start().await;
            server
        };
        let (first, second, third) = tokio::join!(server(0), server(1), server(2));
        let group = Self {
            servers: vec![first, second, third],
        };
        let bootstrap = "set global group_replication_bootstrap_group = on; \
            start group_replication; set global group_replication_bootstrap_group = off";
        group.run(0, bootstrap).await;
        for node in 1..NODES.end {
            group.run(node, "start group_replication").await;
        }
        group
    }

    /// Makes the group whole, and lets these members take writes.
    pub(super) async fn become_again(&self, mode: Mode) {
        for node in NODES {
            if self.servers[node].connect().await.is_err() {
                self.come_back(node).await;
            }
            self.heal(node).await;
        }
        self.is_whole().await;
        let is_single = "select @@group_replication_single_primary_mode = 1";
        let is_single = self.servers[0].asked(is_single).await.unwrap();
        match (mode, is_single) {
            (Mode::SinglePrimary, true) => self.make_primary(0).await,
            (Mode::SinglePrimary, false) => self.run(0, TO_SINGLE_PRIMARY).await,
            (Mode::MultiPrimary, true) => self.run(0, TO_MULTI_PRIMARY).await,
            (Mode::MultiPrimary, false) => {}
        }
        self.primary_of(&[0]).await;
    }

    /// The URL of a database on this node, for a user without privileges of an administrator.
    pub(super) fn url(&self, node: usize, database: &str) -> String {
        let options = self.options(node).username("app").database(database);
        options.to_url_lossy().into()
    }

    /// Waits until a statement with this text waits for what other nodes have committed.
    pub(super) async fn is_holding(&self, node: usize, text: &str) {
        let held = format!(
            "select count(*) > 0 from performance_schema.threads \
             where processlist_state like '%hook on transaction begin%' \
             and processlist_info like '%{text}%'"
        );
        let is_so = async || self.servers[node].asked(&held).await;
        until(|| format!("node {node} holds {text} back"), is_so).await;
    }

    pub(super) fn options(&self, node: usize) -> MySqlConnectOptions {
        self.servers[node].options()
    }

    /// Runs statements of the administrator.
    pub(super) async fn run(&self, node: usize, text: &str) {
        let done = self.servers[node].run_sql(text).await;
        done.unwrap_or_else(|error| panic!("{text} on node {node}: {error}"));
    }

    /// Sets a global variable of this node, which takes none while it joins the group.
    pub(super) async fn set(&self, node: usize, name: &str, value: &str) {
        let set = format!("set global {name} = {value}");
        let is_set = async || self.servers[node].run_sql(&set).await.map(|()| true);
        until(|| format!("node {node} takes {set}"), is_set).await;
    }

    /// Kills a server as `kill -9` does.
    pub(super) async fn kill(&self, node: usize) {
        self.servers[node].kill().await;
    }

    /// Starts a killed server again, which joins the group by itself.
    pub(super) async fn come_back(&self, node: usize) {
        let server = &self.servers[node];
        server.start().await;
        let has_begun = async || server.asked(HAS_BEGUN).await;
        until(|| format!("node {node} joins by itself"), has_begun).await;
    }

    /// Waits until one of these nodes is the primary and takes writes, and returns it.
    pub(super) async fn primary_of(&self, nodes: &[usize]) -> usize {
        let takes_writes = format!("{IS_PRIMARY} and @@super_read_only = 0");
        self.one_of(nodes, &takes_writes, "takes writes").await
    }

    /// Makes this node the only primary in place of the one that is.
    pub(super) async fn make_primary(&self, node: usize) {
        let change = "select group_replication_set_as_primary(@@server_uuid)";
        self.run(node, change).await;
    }

    /// Waits until one of these nodes is to be the primary, and returns it.
    pub(super) async fn elected_of(&self, nodes: &[usize]) -> usize {
        self.one_of(nodes, IS_PRIMARY, "is elected").await
    }

    async fn one_of(&self, nodes: &[usize], question: &str, what: &str) -> usize {
        let mut found = None;
        let is_there = async || {
            for node in nodes {
                if self.servers[*node].asked(question).await? {
                    found = Some(*node);
                }
            }
            Ok(found.is_some())
        };
        until(|| format!("one of {nodes:?} {what}"), is_there).await;
        found.unwrap()
    }

    /// Stops a server where it is, like a machine that swaps.
    pub(super) fn freeze(&self, node: usize) -> Frozen<'_> {
        self.servers[node].freeze();
        Frozen(&self.servers[node])
    }

    /// Cuts a node off from the other two.
    pub(super) async fn cut_off(&self, node: usize) {
        self.servers[node].leave_network().await;
    }

    /// Ends [`Group::cut_off`], and makes a node that has left the group join it again.
    pub(super) async fn heal(&self, node: usize) {
        self.servers[node].join_network().await;
        let is_back = async || self.has_rejoined(node).await.map(|()| true);
        let what = || format!("node {node} joins again");
        until_each_within(LONGEST_START, what, is_back).await;
    }

    /// Makes it join again if it has been excluded, or has given up.
    async fn has_rejoined(&self, node: usize) -> sqlx::Result<()> {
        let server = &self.servers[node];
        if server.asked(HAS_LEFT).await? {
            let join = "stop group_replication; start group_replication";
            server.run_sql(join).await?;
        }
        Ok(())
    }

    /// Waits until this node takes no writes any more.
    pub(super) async fn is_read_only(&self, node: usize) {
        let is_so = async || {
            self.servers[node]
                .asked("select @@super_read_only = 1")
                .await
        };
        until(|| format!("node {node} is read-only"), is_so).await;
    }

    /// Waits until all nodes are members of one group and have all of its data.
    ///
    /// One that the others have excluded meanwhile joins them again.
    pub(super) async fn is_whole(&self) {
        let are_online = members_are(NODES.len(), "member_state = 'ONLINE'");
        let is_so = async || {
            let mut is_so = true;
            for node in NODES {
                self.has_rejoined(node).await?;
                is_so &= self.servers[node].asked(&are_online).await?;
            }
            Ok(is_so)
        };
        let what = || "all nodes are in one group".to_owned();
        until_each_within(LONGEST_START, what, is_so).await;
    }

    /// Waits until this node sees this many members in its group.
    pub(super) async fn has_members(&self, node: usize, members: usize) {
        let is_so = async || {
            self.servers[node]
                .asked(&members_are(members, "true"))
                .await
        };
        until(|| format!("node {node} sees {members} members"), is_so).await;
    }
}

fn members_are(count: usize, condition: &str) -> String {
    format!(
        "select count(*) = {count} and sum({condition}) = {count} \
         from performance_schema.replication_group_members"
    )
}

/// Statements of the session then wait for what other nodes have committed before.
pub(super) const SYNCED: &str =
    "set session group_replication_consistency = 'BEFORE'; select 1 from mysql.user limit 1";

/// It is a member, or has failed to become one.
const HAS_BEGUN: &str = "select count(*) > 0 from performance_schema.replication_group_members \
    where member_state <> 'OFFLINE'";

/// It has been excluded, or has given up.
const HAS_LEFT: &str = "select count(*) > 0 from performance_schema.replication_group_members \
    where member_state in ('ERROR', 'OFFLINE')";

const TO_SINGLE_PRIMARY: &str =
    "select group_replication_switch_to_single_primary_mode(@@server_uuid)";
const TO_MULTI_PRIMARY: &str = "select group_replication_switch_to_multi_primary_mode()";

const IS_PRIMARY: &str = "select exists(\
    select 1 from performance_schema.replication_group_members where member_id = @@server_uuid \
    and member_role = 'PRIMARY' and member_state = 'ONLINE')";

/// How long a server may take to join a group.
const LONGEST_START: Duration = Duration::from_secs(20);
