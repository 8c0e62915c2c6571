//! One server of a Galera cluster, a child process that ends with its starter.

use std::{
    fs,
    os::unix::fs::{MetadataExt, chown},
    path::{Path, PathBuf},
    process::Command,
};

use rustix::process::geteuid;
use sqlx::{
    AssertSqlSafe, ConnectOptions, MySqlConnection, Row,
    mysql::{MySqlConnectOptions, MySqlSslMode},
};

use crate::daemon::{Daemon, free_ports};

/// Where the servers of a cluster keep their data, and the ports they use.
#[derive(Debug)]
pub(super) struct Layout {
    folder: PathBuf,
    first_port: u16,
}

/// A running server. It is killed when the value is dropped, and when this process ends.
#[derive(Debug)]
pub(super) struct Server {
    port: u16,
    daemon: Daemon,
}

impl Layout {
    pub(super) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("idem-galera-").tempdir();
        let folder = folder.unwrap().keep();
        let mut install = Command::new("mariadb-install-db");
        install.args(["--no-defaults", "--auth-root-authentication-method=normal"]);
        install.args(["--skip-test-db", &option("datadir", &folder.join("0"))]);
        let installed = install.args(as_user()).output().unwrap();
        assert!(installed.status.success(), "{installed:?}");
        // They belong to the user that the servers run as, who must get at them.
        let owner = fs::metadata(folder.join("0")).unwrap();
        for name in ["1", "2"] {
            fs::create_dir(folder.join(name)).unwrap();
        }
        for place in [&folder, &folder.join("1"), &folder.join("2")] {
            chown(place, Some(owner.uid()), Some(owner.gid())).unwrap();
        }
        Self {
            folder,
            first_port: free_ports(PORTS * 3),
        }
    }

    /// Starts a server; number 0 starts the cluster that the others join.
    pub(super) fn start(&self, node: usize) -> Server {
        let mut program = Command::new("mariadbd");
        program.args(self.options(node));
        Server {
            port: self.port(node, 0),
            daemon: Daemon::start(&program, &self.log_file(node), &self.data(node)),
        }
    }

    /// This server's log.
    pub(super) fn log(&self, node: usize) -> String {
        fs::read_to_string(self.log_file(node)).unwrap()
    }

    fn options(&self, node: usize) -> Vec<String> {
        let port = |use_| self.port(node, use_);
        let cluster = match node {
            0 => "gcomm://".to_owned(),
            _ => format!("gcomm://127.0.0.1:{}", self.port(0, 1)),
        };
        let mut options = vec!["--no-defaults".to_owned()];
        options.extend(as_user().map(str::to_owned));
        options.extend([
            option("datadir", &self.data(node)),
            option("socket", &self.data(node).join("socket")),
            format!("--port={}", port(0)),
            format!("--wsrep_cluster_address={cluster}"),
            format!("--wsrep_sst_receive_address=127.0.0.1:{}", port(3)),
            format!(
                "--wsrep_provider_options=base_port={0}; \
                 gmcast.listen_addr=tcp://127.0.0.1:{0}; ist.recv_addr=127.0.0.1:{1}; {GROUP}",
                port(1),
                port(2)
            ),
            format!("--wsrep_provider={PROVIDER}"),
        ]);
        options.extend(SETTINGS.map(str::to_owned));
        options
    }

    fn port(&self, node: usize, use_: u16) -> u16 {
        self.first_port + u16::try_from(node).unwrap() * PORTS + use_
    }

    fn data(&self, node: usize) -> PathBuf {
        self.folder.join(node.to_string())
    }

    fn log_file(&self, node: usize) -> PathBuf {
        self.folder.join(format!("{node}.log"))
    }
}

impl Server {
    pub(super) fn freeze(&self) {
        self.daemon.freeze();
    }

    pub(super) fn thaw(&self) {
        self.daemon.thaw();
    }

    pub(super) fn options(&self) -> MySqlConnectOptions {
        MySqlConnectOptions::new()
            .host("127.0.0.1")
            .port(self.port)
            .username("root")
            .ssl_mode(MySqlSslMode::Disabled)
    }

    pub(super) async fn connect(&self) -> sqlx::Result<MySqlConnection> {
        self.options().connect().await
    }

    /// Sets a replication option.
    pub(super) async fn provider(&self, option: &str) {
        let set = format!("set global wsrep_provider_options = '{option}'");
        let mut conn = self.connect().await.unwrap();
        let set = sqlx::raw_sql(AssertSqlSafe(set)).execute(&mut conn);
        set.await.unwrap();
    }

    /// The value of this status variable.
    pub(super) async fn status(&self, name: &str) -> sqlx::Result<String> {
        let show = AssertSqlSafe(format!("show global status like '{name}'"));
        let mut conn = self.connect().await?;
        let row = sqlx::raw_sql(show).fetch_one(&mut conn).await?;
        row.try_get("Value")
    }
}

fn option(name: &str, path: &Path) -> String {
    format!("--{name}={}", path.display())
}

/// The user to run as: the server refuses to run as root without one.
fn as_user() -> Option<&'static str> {
    geteuid().is_root().then_some("--user=mysql")
}

/// For clients, group communication, incremental and full state transfer.
const PORTS: u16 = 4;

const PROVIDER: &str = "/usr/lib/galera/libgalera_smm.so";

/// A silent node counts as dead after two seconds instead of five.
const GROUP: &str = "gcache.size=16M; evs.suspect_timeout=PT2S; evs.inactive_timeout=PT4S; \
    evs.install_timeout=PT4S; evs.keepalive_period=PT0.3S; evs.inactive_check_period=PT0.2S; \
    evs.join_retrans_period=PT0.3S";

const SETTINGS: [&str; 9] = [
    "--bind-address=127.0.0.1",
    "--wsrep_on=ON",
    "--wsrep_node_address=127.0.0.1",
    "--wsrep_sst_method=rsync",
    "--binlog_format=ROW",
    "--innodb_autoinc_lock_mode=2",
    "--innodb_flush_log_at_trx_commit=2",
    "--innodb_buffer_pool_size=32M",
    "--innodb_log_file_size=16M",
];
