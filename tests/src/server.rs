//! The database servers that all tests of this checkout share.

use std::{
    env,
    fs::File,
    process::{Command, Output},
    sync::OnceLock,
    thread,
    time::Duration,
};

use sqlx::{ConnectOptions, Connection};
use tokio::{runtime, time};

/// A server given by an environment variable, or one in a container.
///
/// nextest runs every test in a process of its own, so the container outlives them all: the first
/// process starts it, the others find it by its label. `docker rm -fv $(docker ps -aq -f label=idem-tests)`
/// removes it. The `docker` command is enough for that, and saves two hundred crates of a client library.
#[derive(Debug)]
pub(crate) struct Server {
    /// Where the administrator's own database is.
    pub(crate) url: String,
    container: Option<String>,
}

/// What is to be known of a kind of server.
#[derive(Debug)]
pub(crate) struct Kind {
    /// What a message calls it.
    pub(crate) name: &'static str,
    /// The environment variable that may give the URL of one.
    pub(crate) variable: &'static str,
    pub(crate) image: &'static str,
    /// The port it listens on in its container.
    pub(crate) port: &'static str,
    /// Options of `docker run`, and of the server.
    pub(crate) options: [&'static [&'static str]; 2],
    /// The URL, but for the port.
    pub(crate) url: [&'static str; 2],
}

impl Server {
    /// Finds the server, or starts it; each process asks once.
    pub(crate) fn shared(kind: &'static Kind, server: &'static OnceLock<Self>) -> &'static Self {
        server.get_or_init(|| match env::var(kind.variable) {
            Ok(url) if !url.is_empty() => Self {
                url,
                container: None,
            },
            _ => Self::in_container(kind),
        })
    }

    fn in_container(kind: &Kind) -> Self {
        // One process at a time looks and starts. The lock ends with the file handle.
        let manifest = File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).unwrap();
        manifest.lock().unwrap();
        let (label, image) = (format!("label={LABEL}"), format!("ancestor={}", kind.image));
        let running = docker(kind, &["ps", "-q", "-f", &label, "-f", &image]);
        let container = match running.lines().next() {
            Some(id) => id.to_owned(),
            None => start(kind),
        };
        let address = docker(kind, &["port", &container, kind.port]);
        let port = address.trim().rsplit(':').next().unwrap();
        Self {
            url: kind.url.join(port),
            container: Some(container),
        }
    }

    /// Reads the log as soon as `mark` stands in it.
    pub(crate) fn log_until(&self, kind: &Kind, mark: &str) -> String {
        let container = self.container.as_ref();
        let container = container.expect("only a server in our container shows its log");
        for _ in 0..100 {
            let output = docker_output(kind, &["logs", container]);
            let log = text(&output.stdout) + &text(&output.stderr);
            if log.contains(mark) {
                return log;
            }
            thread::sleep(Duration::from_millis(50));
        }
        panic!("the server did not log {mark:?}");
    }
}

/// Connects, which a container allows a few seconds after its start.
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

/// Waits until this is done, on a thread of its own: a destructor inside a runtime cannot wait for a future.
pub(crate) fn finish(work: impl Future<Output = ()> + Send + 'static) {
    let done = thread::spawn(|| {
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(work);
    });
    done.join().unwrap();
}

/// Starts a server with the settings of its image, but for the many connections of many tests.
fn start(kind: &Kind) -> String {
    let publish = format!("127.0.0.1::{}", kind.port);
    let run = [
        "run",
        "--detach",
        "--rm",
        "--label",
        LABEL,
        "--publish",
        &publish,
    ];
    let [options, server] = kind.options;
    let container = docker(kind, &[&run[..], options, &[kind.image], server].concat());
    container.trim().to_owned()
}

fn docker(kind: &Kind, arguments: &[&str]) -> String {
    text(&docker_output(kind, arguments).stdout)
}

fn docker_output(kind: &Kind, arguments: &[&str]) -> Output {
    let missing = format!("no {}: set {} or start Docker", kind.name, kind.variable);
    let output = match Command::new("docker").args(arguments).output() {
        Ok(output) => output,
        Err(error) => panic!("{missing} (docker: {error})"),
    };
    let errors = text(&output.stderr);
    assert!(output.status.success(), "{missing} ({})", errors.trim());
    output
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Marks the containers of this checkout.
const LABEL: &str = concat!("idem-tests=", env!("CARGO_MANIFEST_DIR"));
