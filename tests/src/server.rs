//! The Postgres server that all tests of this checkout share.

use std::{
    env,
    fs::File,
    process::{Command, Output},
    sync::OnceLock,
    thread,
    time::Duration,
};

use sqlx::postgres::{PgConnectOptions, PgSslMode};

/// A server given by `IDEM_TEST_POSTGRES_URL`, or one in a container.
///
/// nextest runs every test in a process of its own, so the container outlives them all: the first
/// process starts it, the others find it by its label. `docker rm -fv $(docker ps -aq -f label=idem-tests)`
/// removes it. The `docker` command is enough for that, and saves two hundred crates of a client library.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) options: PgConnectOptions,
    container: Option<String>,
}

impl Server {
    /// Finds the server, or starts it; each process asks once.
    pub(crate) fn shared() -> &'static Self {
        static SERVER: OnceLock<Server> = OnceLock::new();
        SERVER.get_or_init(|| match env::var("IDEM_TEST_POSTGRES_URL") {
            Ok(url) if !url.is_empty() => Self {
                options: url.parse().unwrap(),
                container: None,
            },
            _ => Self::in_container(),
        })
    }

    fn in_container() -> Self {
        // One process at a time looks and starts. The lock ends with the file handle.
        let manifest = File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).unwrap();
        manifest.lock().unwrap();
        let running = docker(&["ps", "-q", "-f", &format!("label={LABEL}")]);
        let container = match running.lines().next() {
            Some(id) => id.to_owned(),
            None => start(),
        };
        let address = docker(&["port", &container, "5432/tcp"]);
        let port = address.trim().rsplit(':').next().unwrap().parse().unwrap();
        Self {
            options: PgConnectOptions::new_without_pgpass()
                .host("127.0.0.1")
                .port(port)
                .username("postgres")
                .password(PASSWORD)
                .database("postgres")
                .ssl_mode(PgSslMode::Disable),
            container: Some(container),
        }
    }

    /// Reads the log as soon as `mark` stands in it.
    pub(crate) fn log_until(&self, mark: &str) -> String {
        let container = self.container.as_ref();
        let container = container.expect("only a server in our container shows its log");
        for _ in 0..100 {
            let output = docker_output(&["logs", container]);
            let log = text(&output.stdout) + &text(&output.stderr);
            if log.contains(mark) {
                return log;
            }
            thread::sleep(Duration::from_millis(50));
        }
        panic!("the server did not log {mark:?}");
    }
}

/// Starts a server with the settings of its image, but for the many connections of many tests.
fn start() -> String {
    let password = format!("POSTGRES_PASSWORD={PASSWORD}");
    let run = [
        "run", "--detach", "--rm", "--label", LABEL, "--env", &password,
    ];
    let server = [
        "--publish",
        "127.0.0.1::5432",
        "postgres:18",
        "-c",
        "max_connections=500",
    ];
    docker(&[&run[..], &server].concat()).trim().to_owned()
}

fn docker(arguments: &[&str]) -> String {
    text(&docker_output(arguments).stdout)
}

fn docker_output(arguments: &[&str]) -> Output {
    let missing = "no Postgres: set IDEM_TEST_POSTGRES_URL or start Docker";
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

/// Marks the container of this checkout.
const LABEL: &str = concat!("idem-tests=", env!("CARGO_MANIFEST_DIR"));

const PASSWORD: &str = "idem";
