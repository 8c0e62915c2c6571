//! One member of a group: a server in a container of its own, which ends with its starter.

use std::{
    env,
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
};

use sqlx::{
    AssertSqlSafe, ConnectOptions, MySqlConnection,
    mysql::{MySqlConnectOptions, MySqlSslMode},
};
use tokio::sync::OnceCell;

use super::docker::{command, docker, docker_if_needed};
use crate::{server::LABEL, until::until};

/// A server. Its container is removed when the value is dropped, and when this process ends.
#[derive(Debug)]
pub(super) struct Server {
    node: usize,
    /// The container's name.
    name: String,
    network: String,
    port: OnceCell<u16>,
    /// The container ends when its own input does, and the network with the last one.
    attached: Child,
}

impl Server {
    /// Starts a container with a server's data but no server, connected to the network of the group.
    pub(super) async fn new(network: &str, node: usize) -> Self {
        let name = format!("{network}-{node}");
        let label = format!("{LABEL}={}", env!("CARGO_MANIFEST_DIR"));
        docker(&[
            "create",
            "--interactive",
            "--rm",
            "--name",
            &name,
            "--label",
            &label,
            "--network",
            "bridge",
            "--publish",
            "127.0.0.1::3306",
            "--user",
            "mysql",
            "--tmpfs",
            "/group",
            "--entrypoint",
            "cat",
            &image(),
        ])
        .await;
        let mut shell = Command::new("sh");
        shell.args(["-c", OUTLIVED_BY_NOBODY, "sh", &name, network]);
        // Ctrl-C is for this process; the shell sees that it has ended.
        let shell = shell.process_group(0).stdin(Stdio::piped());
        let server = Self {
            node,
            name,
            network: network.to_owned(),
            port: OnceCell::new(),
            attached: shell.stdout(Stdio::null()).spawn().unwrap(),
        };
        server.join_network().await;
        let is_up = async || {
            let running = ["inspect", "--format", "{{.State.Running}}", &server.name];
            Ok(docker(&running).await.trim() == "true")
        };
        until(|| format!("the container of node {node} runs"), is_up).await;
        let published = docker(&["port", &server.name, "3306/tcp"]).await;
        let port = published.trim().rsplit(':').next().unwrap_or_default();
        server.port.set(port.parse().unwrap()).unwrap();
        let users = format!("users={USERS}");
        let initialise = [
            "exec",
            "--env",
            &users,
            &server.name,
            "sh",
            "-ec",
            INITIALISE,
        ];
        docker(&initialise).await;
        server
    }

    /// Starts the server, again where it was killed, and waits until it takes connections.
    pub(super) async fn start(&self) {
        let settings = [
            format!("id={}", self.node + 1),
            format!("address={}", address(self.node)),
            format!("group={}", self.network.trim_start_matches(PREFIX)),
        ];
        let mut exec = vec!["exec", "--detach"];
        for setting in &settings {
            exec.extend(["--env", setting]);
        }
        exec.extend([self.name.as_str(), "sh", "-c", START]);
        docker(&exec).await;
        let answers = async || self.connect().await.map(|_| true);
        until(|| format!("node {} answers", self.node), answers).await;
    }

    /// Kills it as `kill -9` does, with all its threads.
    pub(super) async fn kill(&self) {
        let kill = "kill -9 $(cat /group/pid)";
        docker(&["exec", &self.name, "sh", "-c", kill]).await;
    }

    /// Stops the whole container where it is.
    pub(super) fn freeze(&self) {
        self.run("pause");
    }

    /// Ends [`Server::freeze`].
    pub(super) fn thaw(&self) {
        self.run("unpause");
    }

    fn run(&self, what: &str) {
        let output = command(&[what, &self.name]).output().unwrap();
        assert!(output.status.success(), "docker {what}: {output:?}");
    }

    /// Takes it off the network of the group. Its clients reach it all the same.
    pub(super) async fn leave_network(&self) {
        docker(&["network", "disconnect", &self.network, &self.name]).await;
    }

    /// Ends [`Server::leave_network`].
    pub(super) async fn join_network(&self) {
        let alias = host(self.node);
        let connect = [
            "network",
            "connect",
            "--alias",
            &alias,
            &self.network,
            &self.name,
        ];
        docker_if_needed(&connect).await;
    }

    pub(super) fn options(&self) -> MySqlConnectOptions {
        MySqlConnectOptions::new()
            .host("127.0.0.1")
            .port(*self.port.get().unwrap())
            .username("root")
            .password("idem")
            .ssl_mode(MySqlSslMode::Disabled)
    }

    pub(super) async fn connect(&self) -> sqlx::Result<MySqlConnection> {
        self.options().connect().await
    }

    /// Runs statements of the administrator.
    pub(super) async fn run_sql(&self, text: &str) -> sqlx::Result<()> {
        let mut conn = self.connect().await?;
        let text = sqlx::raw_sql(AssertSqlSafe(text.to_owned()));
        text.execute(&mut conn).await.map(|_| ())
    }

    /// Asks a question, whose answer is yes or no.
    pub(super) async fn asked(&self, question: &str) -> sqlx::Result<bool> {
        let mut conn = self.connect().await?;
        let question = sqlx::query_scalar::<_, Option<bool>>(AssertSqlSafe(question.to_owned()));
        Ok(question.fetch_one(&mut conn).await? == Some(true))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.attached.stdin.take());
        self.attached.wait().unwrap();
    }
}

/// The image of MySQL that the environment names, or the one that CI has.
fn image() -> String {
    let named = env::var("IDEM_TEST_MYSQL_IMAGE").unwrap_or_default();
    match named.starts_with("mysql") {
        true => named,
        false => "mysql:9.7".to_owned(),
    }
}

fn host(node: usize) -> String {
    format!("node{node}")
}

/// Where the other members reach it.
fn address(node: usize) -> String {
    format!("{}:33061", host(node))
}

/// Before the group's own name, which must be a UUID.
pub(super) const PREFIX: &str = "idem-group-";

/// The container's program reads to the end of its input. The network cannot go before its last container.
const OUTLIVED_BY_NOBODY: &str = "docker start --attach --interactive $1
    docker network rm $2 >/dev/null 2>&1";

const INITIALISE: &str = r#"
    printf %s "$users" >/group/init.sql
    mysqld --no-defaults --initialize-insecure --datadir=/group/data \
        --innodb-redo-log-capacity=8M >>/group/log 2>&1 || { cat /group/log; exit 1; }
"#;

/// A server that was in the group joins it again by itself, and is read-only until it has. It would take
/// writes of its own if `group_replication_start_on_boot` were off, as it must be before there is a group.
const START: &str = r"
    boot=ON
    if [ -e /group/init.sql ]; then
        boot=OFF
        mv /group/init.sql /group/users.sql
        first=--init-file=/group/users.sql
    fi
    exec mysqld --no-defaults $first --datadir=/group/data --socket=/group/socket \
        --pid-file=/group/pid --mysqlx=OFF --skip-name-resolve --max-connections=300 \
        --innodb-redo-log-capacity=8M --innodb-buffer-pool-size=64M \
        --server-id=$id --report-host=${address%:*} --gtid-mode=ON --enforce-gtid-consistency=ON \
        --plugin-load-add=group_replication.so --group-replication-start-on-boot=$boot \
        --group-replication-group-name=$group --group-replication-local-address=$address \
        --group-replication-group-seeds=node0:33061,node1:33061,node2:33061 \
        --group-replication-recovery-get-public-key=ON --group-replication-member-expel-timeout=0 \
        --group-replication-unreachable-majority-timeout=2 >>/group/log 2>&1
";

/// Each server has them of its own, since no member may bring what the others lack. A statement is one line.
const USERS: &str = "set sql_log_bin = 0;
create user root@'%' identified by 'idem';
grant all on *.* to root@'%';
create user app@'%' identified by 'idem';
grant all on `idem\\_%`.* to app@'%';
change replication source to source_user = 'root', source_password = 'idem' \
for channel 'group_replication_recovery';
";
