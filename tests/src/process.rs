//! Programs that tests start and kill, and whose output they read.

use std::{
    collections::BTreeMap,
    env, fs,
    net::SocketAddr,
    path::PathBuf,
    process::{Command as Build, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{Child, Command},
    sync::watch,
    time,
};

/// A running program. Dropping the value kills it.
#[derive(Debug)]
pub struct Process {
    address: Option<SocketAddr>,
    child: Child,
    log: Arc<Mutex<String>>,
}

impl Process {
    /// Starts a program that listens on an address, and waits until it prints `listening on <address>`.
    pub async fn start(command: Command) -> Self {
        Self::start_at(command, "listening on ").await
    }

    /// Starts a program, and waits until it prints this text followed by an address.
    pub async fn start_at(command: Command, beginning: &'static str) -> Self {
        let mut process = Self::start_until(command, beginning).await;
        let log = process.log();
        let mut rest = log.lines().filter_map(|line| line.strip_prefix(beginning));
        let address = rest.next().unwrap().trim_start_matches("http://");
        let address = address.split('/').next().unwrap_or_default();
        process.address = Some(address.trim().parse().unwrap());
        process
    }

    /// Starts a program, and waits until it prints a line that starts with this text.
    pub async fn start_until(mut command: Command, beginning: &'static str) -> Self {
        let mut child = command
            .kill_on_drop(true)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::default();
        let (found, mut finding) = watch::channel(false);
        let (output, errors) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        tokio::spawn(collect(output, Arc::clone(&log), beginning, Some(found)));
        tokio::spawn(collect(errors, Arc::clone(&log), beginning, None));
        let found = time::timeout(START, finding.wait_for(|found| *found)).await;
        assert!(
            matches!(found, Ok(Ok(_))),
            "{command:?} does not print {beginning:?}; it printed:\n{}",
            log.lock().unwrap()
        );
        Self {
            address: None,
            child,
            log,
        }
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address.expect("the program listens on an address")
    }

    /// The number of the process, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Its output so far, from both streams.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Kills it as `kill -9` does, and waits for its end.
    pub async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Sends `SIGTERM` without waiting for the end.
    pub fn terminate(&self) {
        let id = self.child.id().expect("the process runs");
        let pid = Pid::from_raw(id.try_into().unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
    }

    /// Waits for its end.
    pub async fn exit_status(&mut self) -> ExitStatus {
        match time::timeout(END, self.child.wait()).await {
            Ok(status) => status.unwrap(),
            Err(_) => panic!("the process does not end; it printed:\n{}", self.log()),
        }
    }
}

/// How long the threads of a process have kept a processor busy so far, where the system tells.
pub fn cpu_of(id: u32) -> Option<Duration> {
    let mut total = Duration::ZERO;
    for thread in fs::read_dir(format!("/proc/{id}/task")).ok()? {
        let times = fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        let busy = times.split(' ').next()?.parse().ok()?;
        total += Duration::from_nanos(busy);
    }
    Some(total)
}

/// Starts the payments example on a free port, with a pool of at most `connections`.
pub async fn start_payments(feature: &str, url: &str, connections: u32) -> Process {
    let mut command = payments(feature);
    command.args(["--listen", "127.0.0.1:0", "--database-url", url]);
    command.args(["--pool-size", &connections.to_string()]);
    // Its statements are counted, and this one comes by the clock.
    command.args(["--rollout-every", "1d"]);
    Process::start(command).await
}

/// Starts the payments example's worker on this broker, and waits until it consumes.
pub async fn start_worker(feature: &str, url: &str, broker: &str, options: &[&str]) -> Process {
    let mut command = worker(feature, url, broker);
    command.args(options);
    Process::start_until(command, "worker: ready").await
}

/// The payments example, built for one database (`sqlite::FEATURE`, `postgres::FEATURE`).
pub fn payments(feature: &str) -> Command {
    program(feature, "payments")
}

/// The payments example's worker, built for one database.
pub fn worker(feature: &str, url: &str, broker: &str) -> Command {
    let mut command = program(feature, "worker");
    command.args(["--database-url", url, "--broker", broker]);
    // Else what a test looks for in its log is interspersed with colours.
    command.env("NO_COLOR", "1");
    command
}

/// The example's card network, on a free port.
pub fn card_network(feature: &str) -> Command {
    let mut command = program(feature, "card-network");
    command.args(["--listen", "127.0.0.1:0"]);
    command
}

/// The example's demo, which starts its own API and worker on this database.
pub fn demo(feature: &str, url: &str) -> Command {
    let mut command = program(feature, "demo");
    command.args(["--database-url", url]).kill_on_drop(true);
    command
}

/// The operator's command, built for all databases.
pub fn idem(feature: &str, url: &str) -> Command {
    let mut command = program(feature, "idem");
    // The database is the one of the test, and nothing of the environment changes the output.
    command.env_remove("DATABASE_URL").env_remove("RUST_LOG");
    command.args(["--database-url", url]);
    command
}

/// A program of the example, built once in each process: Cargo finds it built unless the sources have changed.
pub fn program(feature: &str, name: &str) -> Command {
    static BUILT: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());
    let mut built = BUILT.lock().unwrap();
    let folder = built.entry(feature.to_owned());
    let program = folder.or_insert_with(|| build(feature)).join(name);
    if cfg!(not(target_os = "linux")) {
        return Command::new(program);
    }
    // A worker that nobody asks to end tries for ever, also when this process was killed.
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

/// Builds the programs with `tests/build-app`, which says where they are.
fn build(feature: &str) -> PathBuf {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/build-app");
    let built = Build::new("bash").args([script, feature]).output().unwrap();
    let errors = String::from_utf8_lossy(&built.stderr);
    assert!(
        built.status.success(),
        "the payments example does not build:\n{errors}"
    );
    PathBuf::from(String::from_utf8(built.stdout).unwrap().trim())
}

/// Copies a stream into the log, line by line, and signals when a line starts as expected.
async fn collect(
    stream: impl AsyncRead + Unpin,
    log: Arc<Mutex<String>>,
    beginning: &'static str,
    found: Option<watch::Sender<bool>>,
) {
    let mut lines = BufReader::new(stream).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let mut log = log.lock().unwrap();
        log.push_str(&line);
        log.push('\n');
        if let (Some(found), true) = (&found, line.starts_with(beginning)) {
            found.send_replace(true);
        }
    }
}

const START: Duration = Duration::from_secs(30);

const END: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    #[tokio::test]
    async fn a_process_reports_its_address_and_ends_on_sigterm() {
        let mut process = Process::start(shell("trap 'echo bye; exit 3' TERM")).await;
        assert_eq!(process.address(), "127.0.0.1:4711".parse().unwrap());
        process.terminate();
        assert_eq!(process.exit_status().await.code(), Some(3));
        assert!(process.log().starts_with("listening"), "{}", process.log());
    }

    #[tokio::test]
    async fn start_until_waits_for_a_line_that_the_process_prints() {
        let script = shell("trap 'exit 3' TERM; echo preparing; echo ready, steady");
        let process = Process::start_until(script, "ready").await;
        let begins = process.log().starts_with("preparing\nready, steady\n");
        assert!(begins, "{}", process.log());
    }

    #[tokio::test]
    async fn a_killed_process_ends_by_sigkill() {
        let mut process = Process::start(shell("trap 'exit 3' TERM")).await;
        process.kill().await;
        assert_eq!(process.exit_status().await.signal(), Some(9));
    }

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        let rest = "echo listening on http://127.0.0.1:4711; while :; do sleep 0.1; done";
        command.args(["-c", &format!("{script}\n{rest}")]);
        command
    }
}
