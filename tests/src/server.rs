//! The database servers that all tests of this checkout share.

use std::{
    collections::HashMap,
    env,
    fs::File,
    io,
    panic::resume_unwind,
    pin::pin,
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use futures_util::StreamExt;
use sqlx::{ConnectOptions, Connection};
use testcontainers::{
    ContainerAsync, ContainerRequest, GenericImage, ImageExt, ReuseDirective, TestcontainersError,
    bollard::{
        models::{HostConfig, PortBinding},
        query_parameters::StatsOptionsBuilder,
    },
    core::{IntoContainerPort, Mount, client::docker_client_instance},
    runners::AsyncRunner,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::TcpStream,
    runtime, time,
};

/// A server that an environment variable names, or one in a container.
///
/// Tests run in several processes, so the container outlives them: the first process starts it, the others find it
/// by its labels. `docker rm -fv $(docker ps -aq -f label=idem-tests)` removes it.
#[derive(Debug)]
pub(crate) struct Server {
    /// The URL of the administrator's own database.
    pub(crate) url: String,
    container: Option<ContainerAsync<GenericImage>>,
}

/// The settings of a kind of server.
#[derive(Debug)]
pub(crate) struct Kind {
    /// The name in messages.
    pub(crate) name: &'static str,
    /// The environment variable that may name the URL of one.
    pub(crate) variable: &'static str,
    /// The port inside the container.
    pub(crate) port: u16,
    pub(crate) environment: &'static [(&'static str, &'static str)],
    pub(crate) arguments: &'static [&'static str],
    /// Additional arguments for a server without durability.
    pub(crate) not_durable: &'static [&'static str],
    /// The data folder. Without durability it is kept in memory.
    pub(crate) data: &'static str,
    /// The URL before and after host and port.
    pub(crate) url: [&'static str; 2],
}

impl Server {
    /// Finds or starts the server, once per process.
    pub(crate) fn shared(
        kind: &'static Kind,
        image: &str,
        server: &'static OnceLock<Self>,
    ) -> &'static Self {
        server.get_or_init(|| match env::var(kind.variable) {
            Ok(url) if !url.is_empty() => Self::at(url),
            _ => finish(Self::in_container(kind, image.to_owned())),
        })
    }

    /// A server that runs elsewhere.
    pub(crate) fn at(url: String) -> Self {
        Self {
            url,
            container: None,
        }
    }

    async fn in_container(kind: &Kind, image: String) -> Self {
        // One process at a time looks and starts. The lock ends with the file handle.
        let manifest = File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).unwrap();
        manifest.lock().unwrap();
        let started = async {
            let container = request(kind, &image).start().await?;
            let address = address(&container, kind.port).await?;
            Ok::<_, TestcontainersError>((container, address))
        };
        let (container, address) = started.await.unwrap_or_else(|error| {
            panic!(
                "no {}: set {} or start Docker ({error})",
                kind.name, kind.variable
            )
        });
        Self {
            url: kind.url.join(&address),
            container: Some(container),
        }
    }

    /// How long the server's processes have kept a processor busy so far, those that have ended too, if they run in
    /// our container.
    pub(crate) async fn cpu(&self) -> Option<Duration> {
        let container = self.container.as_ref()?;
        let engine = docker_client_instance().await.ok()?;
        let once = StatsOptionsBuilder::new().stream(false).one_shot(true);
        let stats = engine.stats(container.id(), Some(once.build()));
        let stats = pin!(stats).next().await?.ok()?;
        let busy = stats.cpu_stats?.cpu_usage?.total_usage?;
        Some(Duration::from_nanos(busy))
    }

    /// Reads the log up to the first line with `mark`.
    pub(crate) async fn log_until(&self, mark: &str) -> String {
        let container = self.container.as_ref();
        let container = container.expect("only a server in our container shows its log");
        let mut lines = BufReader::new(container.stderr(true)).lines();
        let mut log = String::new();
        let read = async {
            while let Some(line) = lines.next_line().await.unwrap() {
                log.push_str(&line);
                log.push('\n');
                if line.contains(mark) {
                    return;
                }
            }
            panic!("the server has ended");
        };
        let read = time::timeout(PATIENCE, read).await;
        read.unwrap_or_else(|_| panic!("the server did not log {mark:?}"));
        log
    }
}

/// Makes this process start durable servers, as their images do, to measure what a COMMIT costs.
///
/// Tests need no durable servers: they cut connections and kill processes, and written data survives both.
/// Only a power cut loses what `fsync` has not written, and no test cuts the power.
pub fn be_durable() {
    DURABLE.store(true, Ordering::Relaxed);
}

/// Where the server listens, as `host:port`.
///
/// Where this machine can reach the container itself, as on Linux, that is its own address: behind a published port
/// Docker copies each message in a process of its own.
async fn address(
    container: &ContainerAsync<GenericImage>,
    port: u16,
) -> Result<String, TestcontainersError> {
    if let Ok(ip) = container.get_bridge_ip_address().await {
        let connected = time::timeout(REACH, TcpStream::connect((ip, port))).await;
        let is_refused = |error: &io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
        // A server that is still starting refuses.
        if connected.is_ok_and(|one| one.map_or_else(|error| is_refused(&error), |_| true)) {
            return Ok(format!("{ip}:{port}"));
        }
    }
    let port = container.get_host_port_ipv4(port.tcp()).await?;
    Ok(format!("127.0.0.1:{port}"))
}

fn request(kind: &Kind, image: &str) -> ContainerRequest<GenericImage> {
    let (name, tag) = image.split_once(':').unwrap_or((image, "latest"));
    let is_durable = DURABLE.load(Ordering::Relaxed);
    let mut arguments = kind.arguments.to_vec();
    if !is_durable {
        arguments.extend(kind.not_durable);
    }
    // A container with other settings is another server.
    let settings = format!("{image} {}", arguments.join(" "));
    let port = kind.port;
    let mut request = GenericImage::new(name, tag)
        .with_exposed_port(port.tcp())
        .with_cmd(arguments)
        .with_labels([
            (LABEL, env!("CARGO_MANIFEST_DIR")),
            ("idem-tests-settings", &settings),
        ])
        .with_host_config_modifier(move |config| for_this_machine(config, port))
        // By its name: an engine may call it `default`, by which the address is not found.
        .with_network("bridge")
        .with_reuse(ReuseDirective::Always);
    if !is_durable {
        request = request.with_mount(Mount::tmpfs_mount(kind.data));
    }
    for (name, value) in kind.environment {
        request = request.with_env_var(*name, *value);
    }
    request
}

/// Publishes the port to this machine only, and removes the container once it stops.
pub(crate) fn for_this_machine(config: &mut HostConfig, port: u16) {
    let loopback = PortBinding {
        host_ip: Some("127.0.0.1".to_owned()),
        host_port: None,
    };
    let bindings = HashMap::from([(format!("{port}/tcp"), Some(vec![loopback]))]);
    config.port_bindings = Some(bindings);
    config.publish_all_ports = Some(false);
    config.auto_remove = Some(true);
}

/// Connects; a container needs a few seconds after its start.
pub(crate) async fn connect<C: Connection>(options: &C::Options) -> C {
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

/// Waits for the future on a separate thread: a destructor inside a runtime cannot wait for one.
pub(crate) fn finish<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    let done = thread::spawn(|| {
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(work)
    });
    done.join().unwrap_or_else(|panic| resume_unwind(panic))
}

static DURABLE: AtomicBool = AtomicBool::new(false);

/// Marks the containers of this checkout.
pub(crate) const LABEL: &str = "idem-tests";

const PATIENCE: Duration = Duration::from_secs(20);

/// A machine that cannot be reached often says nothing.
const REACH: Duration = Duration::from_secs(1);
