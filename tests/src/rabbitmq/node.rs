//! One RabbitMQ server, a child process that ends with its starter.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
};

use lapin::{Connection, ConnectionProperties};
use tempfile::TempDir;
use tokio::{io::AsyncWriteExt, process};

use crate::daemon::{self, Daemon};

/// A running server, with its own folder and its own directory of nodes (epmd).
#[derive(Debug)]
pub(super) struct Node {
    folder: PathBuf,
    first_port: u16,
    server: Option<Daemon>,
    /// A server without one would start one that outlives it.
    _epmd: Daemon,
}

impl Node {
    /// Starts a server, and waits until it answers.
    pub(super) async fn start() -> Self {
        let folder = TempDir::with_prefix("idem-rabbitmq-").unwrap().keep();
        let first_port = daemon::free_ports(PORTS);
        let mut epmd = Command::new("epmd");
        epmd.args(["-address", "127.0.0.1"]);
        epmd.args(["-port", &(first_port + EPMD).to_string()]);
        let epmd_log = folder.join("epmd.log");
        let mut node = Self {
            _epmd: Daemon::start(&epmd, &epmd_log, &epmd_log),
            folder,
            first_port,
            server: None,
        };
        node.configure();
        node.restart().await;
        node
    }

    /// Kills the server as `kill -9` does, and keeps its data.
    pub(super) async fn kill(&mut self) {
        if self.server.is_some() {
            // Which queues it has is written to disk later than their messages: a young one would be lost.
            let save = "[ok = dets:sync(Table) || Table <- dets:all()].";
            self.run(save).await.unwrap();
        }
        if let Some(server) = self.server.take() {
            server.kill();
        }
    }

    /// Starts the server again with its data, and waits until it answers.
    pub(super) async fn restart(&mut self) {
        self.kill().await;
        let server = self.program("rabbitmq-server");
        let server = Daemon::start(&server, &self.log(), &self.data());
        self.server = Some(server);
        let connect = async || {
            let properties = ConnectionProperties::default();
            let connection = Connection::connect(&self.url("%2f"), properties).await?;
            connection.close(200, "it answers".into()).await
        };
        daemon::answer(&self.log(), connect).await;
    }

    /// The URL of a virtual host of this server, for clients.
    pub(super) fn url(&self, vhost: &str) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}/{vhost}", self.first_port)
    }

    /// Creates a virtual host that clients can use.
    pub(super) async fn add_vhost(&self, vhost: &str) {
        self.run(&format!(
            r#"ok = rabbit_vhost:add(<<"{vhost}">>, <<"test">>),
            All = <<".*">>,
            rabbit_auth_backend_internal:set_permissions(
                <<"guest">>, <<"{vhost}">>, All, All, All, <<"test">>)."#
        ))
        .await
        .unwrap();
    }

    /// How many messages a quorum queue has, including those that consumers hold.
    pub(super) async fn messages(&self, vhost: &str, queue: &str) -> u64 {
        // The numbers that commands list are seconds old.
        let count = format!(
            r#"Name = rabbit_misc:r(<<"{vhost}">>, queue, <<"{queue}">>),
            {{ok, Queue}} = rabbit_amqqueue:lookup(Name),
            Count = fun(State) -> maps:get(num_messages, rabbit_fifo:overview(State)) end,
            {{ok, Messages, _}} = ra:consistent_query(amqqueue:get_pid(Queue), Count),
            Messages."#
        );
        // After a restart there is no leader to ask at first.
        let count = daemon::answer(&self.log(), async || self.run(&count).await).await;
        count.trim().parse().unwrap()
    }

    /// Runs Erlang in the server. `rabbitmqctl eval` does the same, and starts a virtual machine of its own each time.
    async fn run(&self, erlang: &str) -> Result<String, String> {
        let secret = fs::read_to_string(self.data().join(".erlang.cookie")).unwrap();
        let port = self.first_port + NODES;
        let mut call = process::Command::new("erl_call");
        call.args(["-address", &format!("127.0.0.1:{port}")]);
        // Two at once need names of their own.
        static CALLS: AtomicUsize = AtomicUsize::new(0);
        let name = format!("call-{}", CALLS.fetch_add(1, Ordering::Relaxed));
        call.args(["-h", &name, "-c", secret.trim(), "-e"]);
        let call = call.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut call = call.stderr(Stdio::piped()).spawn().unwrap();
        let mut input = call.stdin.take().unwrap();
        input
            .write_all(format!("{erlang}\n").as_bytes())
            .await
            .unwrap();
        drop(input);
        let output = call.wait_with_output().await.unwrap();
        let [said, errors] =
            [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
        let value = said.trim().strip_prefix("{ok, ");
        let value = value.and_then(|rest| rest.strip_suffix('}'));
        value
            .map(str::to_owned)
            .ok_or_else(|| format!("{said}{errors}"))
    }

    fn configure(&self) {
        let data = self.data();
        fs::create_dir(&data).unwrap();
        let listen = format!("listeners.tcp.1 = 127.0.0.1:{}", self.first_port);
        fs::write(data.join("rabbitmq.conf"), listen).unwrap();
        fs::write(data.join("plugins"), "[].").unwrap();
    }

    /// A RabbitMQ program that touches no file of the machine's own server.
    fn program(&self, name: &str) -> Command {
        let data = self.data();
        let mut program = Command::new(format!("{PROGRAMS}/{name}"));
        program
            // Where the secret is that nodes share.
            .env("HOME", &data)
            .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
            .env("RABBITMQ_CONFIG_FILE", data.join("rabbitmq.conf"))
            .env("RABBITMQ_ADVANCED_CONFIG_FILE", data.join("none"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", data.join("plugins"))
            .env("RABBITMQ_MNESIA_BASE", data.join("mnesia"))
            .env("RABBITMQ_LOG_BASE", &data)
            .env("RABBITMQ_LOGS", "-")
            .env("RABBITMQ_NODENAME", "idem@localhost")
            .env("RABBITMQ_DIST_PORT", (self.first_port + NODES).to_string())
            .env("ERL_EPMD_PORT", (self.first_port + EPMD).to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            // Its threads look for work for a while before they sleep, on processors that the tests need.
            .env(
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
                "+sbwt none +sbwtdcpu none +sbwtdio none",
            )
            // Else a shell stands between, and is killed in the server's place.
            .env("RUNNING_UNDER_SYSTEMD", "true");
        program
    }

    fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }
}

/// Debian's programs of the same names in `/usr/sbin` change the user first.
const PROGRAMS: &str = "/usr/lib/rabbitmq/bin";

/// For clients, other nodes, and the directory of nodes.
const PORTS: u16 = 3;
const NODES: u16 = 1;
const EPMD: u16 = 2;
