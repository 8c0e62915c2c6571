//! Two Postgres servers, of which the second copies the first: processes that a test kills.

use sqlx::{
    ConnectOptions, PgConnection,
    postgres::{PgConnectOptions, PgSslMode},
};
use testcontainers::{
    ContainerAsync, GenericImage, ImageExt,
    core::{CmdWaitFor, ExecCommand, IntoContainerPort},
    runners::AsyncRunner,
};

use crate::{server, until::until};

/// A primary and its standby, each in a container of this test.
#[derive(Debug)]
pub struct Pair {
    first: Node,
    second: Node,
    copying: Copying,
}

/// When the primary acknowledges a COMMIT.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "a test chooses one")]
pub enum Copying {
    /// When the standby has written it.
    Synchronous,
    /// When it is on the primary.
    Asynchronous,
}

impl Pair {
    /// Starts the first server as the primary, and the second one as its copy.
    pub async fn start(copying: Copying) -> Self {
        let (first, second) = tokio::join!(Node::new(), Node::new());
        let pair = Self {
            first,
            second,
            copying,
        };
        pair.first.run(INITIALISE).await;
        pair.start_first().await;
        pair.second.run(&copy_of(&pair.first).await).await;
        pair.second.run(&start("")).await;
        let mut conn = pair.first.connect().await;
        let state = "select count(*) from pg_stat_replication \
            where state = 'streaming' and (sync_state = 'sync') = $1";
        let synchronous = copying == Copying::Synchronous;
        let copies = async || {
            let asked = sqlx::query_scalar::<_, i64>(state).bind(synchronous);
            Ok(asked.fetch_one(&mut conn).await? == 1)
        };
        until(|| "the standby copies".to_owned(), copies).await;
        pair
    }

    /// The URL of the first server's own database.
    pub fn first(&self) -> String {
        self.first.url()
    }

    /// The URL of the second server's own database.
    pub fn second(&self) -> String {
        self.second.url()
    }

    /// Kills all processes of the primary as `kill -9` does, at once.
    pub async fn kill(&self) {
        self.first.run(KILL).await;
    }

    /// Makes the standby the primary, which takes writes afterwards.
    pub async fn promote(&self) {
        let mut conn = self.second.connect().await;
        let promoted = sqlx::query_scalar::<_, bool>("select pg_promote()").fetch_one(&mut conn);
        assert!(promoted.await.unwrap(), "the standby is promoted");
    }

    /// Starts the killed server again, as it was: nobody has told it of another primary.
    pub async fn come_back(&self) {
        // These name the killed process, which the container keeps as a zombie.
        let locks = "rm -f $data/postmaster.pid /tmp/.s.PGSQL.*";
        self.first.run(locks).await;
        self.start_first().await;
    }

    async fn start_first(&self) {
        let waits_for = match self.copying {
            Copying::Synchronous => "-c synchronous_standby_names=*",
            Copying::Asynchronous => "",
        };
        self.first.run(&start(waits_for)).await;
    }

    /// Makes the former primary a standby of the new one, and drops what it has written alone.
    pub async fn rejoin(&self) {
        self.first.run("pg_ctl -D $data -m immediate -w stop").await;
        self.first.run(&rewind_to(&self.second).await).await;
        self.first.run(&start("")).await;
    }

    /// Waits until the standby has all that the primary has committed.
    pub async fn has_all(&self) {
        let mut conn = self.first.connect().await;
        let behind = "select count(*) from pg_stat_replication \
            where flush_lsn is distinct from pg_current_wal_flush_lsn()";
        let has_all = async || {
            let asked = sqlx::query_scalar::<_, i64>(behind).fetch_one(&mut conn);
            Ok(asked.await? == 0)
        };
        until(|| "the standby has all".to_owned(), has_all).await;
    }

    /// Keeps from the standby what the primary writes from now on.
    pub async fn cut_off_standby(&self) {
        let mut conn = self.second.connect().await;
        for statement in [
            "alter system set primary_conninfo = ''",
            "select pg_reload_conf()",
        ] {
            sqlx::raw_sql(statement).execute(&mut conn).await.unwrap();
        }
        let hears_nothing = async || {
            let receivers = "select count(*) from pg_stat_wal_receiver";
            let receivers = sqlx::query_scalar::<_, i64>(receivers).fetch_one(&mut conn);
            Ok(receivers.await? == 0)
        };
        until(|| "the standby hears nothing".to_owned(), hears_nothing).await;
    }
}

/// A container in which a server is started, killed and started again.
#[derive(Debug)]
struct Node {
    container: ContainerAsync<GenericImage>,
    port: u16,
}

impl Node {
    async fn new() -> Self {
        let request = GenericImage::new("postgres", "18")
            .with_exposed_port(PORT.tcp())
            .with_cmd(["sleep", "infinity"])
            .with_user("postgres")
            .with_env_var("data", "/tmp/data")
            .with_network("bridge")
            .with_host_config_modifier(|config| server::for_this_machine(config, PORT))
            .with_label(server::LABEL, env!("CARGO_MANIFEST_DIR"));
        let container = request.start().await.unwrap();
        let port = container.get_host_port_ipv4(PORT.tcp()).await.unwrap();
        Self { container, port }
    }

    /// Runs a script in the container, to its end.
    async fn run(&self, script: &str) {
        let script = ExecCommand::new(["sh", "-ec", script]);
        let script = script.with_cmd_ready_condition(CmdWaitFor::exit());
        let mut done = self.container.exec(script).await.unwrap();
        if done.exit_code().await.unwrap() != Some(0) {
            let output = [done.stdout_to_vec().await, done.stderr_to_vec().await];
            let output = output.map(|text| String::from_utf8(text.unwrap()).unwrap());
            panic!("a script in a server's container failed: {output:#?}");
        }
    }

    fn options(&self) -> PgConnectOptions {
        let options = PgConnectOptions::new_without_pgpass();
        let options = options.host("127.0.0.1").port(self.port);
        let options = options.username("postgres").database("postgres");
        options.ssl_mode(PgSslMode::Disable)
    }

    fn url(&self) -> String {
        self.options().to_url_lossy().into()
    }

    async fn connect(&self) -> PgConnection {
        server::connect(&self.options()).await
    }

    /// Where another container reaches it.
    async fn address(&self) -> String {
        let ip = self.container.get_bridge_ip_address().await.unwrap();
        format!("host={ip} port={PORT} user=postgres")
    }
}

/// The server ends with its container, so that it need not write to the disk. The log is kept, and hints are in it,
/// for a former primary that becomes a standby.
const INITIALISE: &str =
    "initdb -D $data -U postgres -E UTF8 --locale=C.UTF-8 --auth=trust --no-sync
    echo 'host all,replication all all trust' >>$data/pg_hba.conf
    echo \"listen_addresses = '*'\" >>$data/postgresql.conf
    for setting in fsync=off wal_log_hints=on wal_keep_size=64MB; do
        echo $setting >>$data/postgresql.conf
    done";

/// Starts the server, with options that its copy does not get.
fn start(options: &str) -> String {
    format!("pg_ctl -D $data -l $data.log -w -o '{options}' start || {{ cat $data.log; exit 1; }}")
}

async fn copy_of(primary: &Node) -> String {
    let primary = primary.address().await;
    format!("pg_basebackup -D $data -R -X stream -c fast --no-sync -d '{primary}'")
}

async fn rewind_to(primary: &Node) -> String {
    let primary = primary.address().await;
    format!("pg_rewind -D $data -R --no-sync --source-server='{primary} dbname=postgres'")
}

/// A backend that only notices that its postmaster is gone could end its COMMIT before.
const KILL: &str = "all=
    for one in /proc/[0-9]*; do
        [ \"$(cat $one/comm 2>/dev/null)\" != postgres ] || all=\"$all ${one#/proc/}\"
    done
    kill -9 $all";

const PORT: u16 = 5432;
