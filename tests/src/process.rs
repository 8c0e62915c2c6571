//! Programs that tests start, kill and read the log of.

use std::{
    collections::BTreeMap,
    env,
    net::SocketAddr,
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

/// A running program that listens on an address. It is killed when the value is dropped.
#[derive(Debug)]
pub struct Process {
    address: SocketAddr,
    child: Child,
    log: Arc<Mutex<String>>,
}

impl Process {
    /// Starts the program and waits until it prints `listening on <address>`.
    pub async fn start(mut command: Command) -> Self {
        let mut child = command
            .kill_on_drop(true)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::default();
        let mut address = None;
        let (found, mut listening) = watch::channel(None);
        tokio::spawn(collect(
            child.stdout.take().unwrap(),
            Arc::clone(&log),
            Some(found),
        ));
        tokio::spawn(collect(
            child.stderr.take().unwrap(),
            Arc::clone(&log),
            None,
        ));
        let waited = time::timeout(START, listening.wait_for(Option::is_some)).await;
        if let Ok(Ok(found)) = waited {
            address = *found;
        }
        let Some(address) = address else {
            panic!(
                "{command:?} listens on no address; it printed:\n{}",
                log.lock().unwrap()
            );
        };
        Self {
            address,
            child,
            log,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it has printed so far, on both streams.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Kills it as `kill -9` does, and waits for its end.
    pub async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Asks it to end (`SIGTERM`) without waiting for that.
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

/// Starts the payments example on a free port, with a pool of at most `connections`.
pub async fn start_payments(feature: &str, url: &str, connections: u32) -> Process {
    let mut command = payments(feature);
    command.args(["--listen", "127.0.0.1:0", "--database-url", url]);
    command.args(["--pool-size", &connections.to_string()]);
    Process::start(command).await
}

/// The payments example, built for one database (`sqlite::FEATURE`, `postgres::FEATURE`).
///
/// Each database has a target folder of its own, so that one build does not replace the other's
/// program. Cargo lets one process at a time build there.
pub fn payments(feature: &str) -> Command {
    static BUILT: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());
    let mut built = BUILT.lock().unwrap();
    let program = built
        .entry(feature.to_owned())
        .or_insert_with(|| build(feature));
    Command::new(program)
}

fn build(feature: &str) -> String {
    let workspace = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let target = format!("{workspace}/target/app-{feature}");
    let cargo = env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let built = Build::new(cargo)
        .current_dir(workspace)
        .args(["build", "-p", "payments", "--no-default-features"])
        .args(["--features", feature, "--target-dir", &target])
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&built.stderr);
    assert!(
        built.status.success(),
        "the payments example does not build:\n{errors}"
    );
    format!("{target}/debug/payments")
}

/// Copies a stream into the log, line by line, and tells the address that stands in it.
async fn collect(
    stream: impl AsyncRead + Unpin,
    log: Arc<Mutex<String>>,
    found: Option<watch::Sender<Option<SocketAddr>>>,
) {
    let mut lines = BufReader::new(stream).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if let (Some(found), Some((_, address))) = (&found, line.split_once("listening on ")) {
            found.send_replace(address.trim_start_matches("http://").trim().parse().ok());
        }
        let mut log = log.lock().unwrap();
        log.push_str(&line);
        log.push('\n');
    }
}

const START: Duration = Duration::from_secs(30);

const END: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    #[tokio::test]
    async fn a_process_tells_its_address_and_ends_when_asked() {
        let mut process = Process::start(shell("trap 'echo bye; exit 3' TERM")).await;
        assert_eq!(process.address(), "127.0.0.1:4711".parse().unwrap());
        process.terminate();
        assert_eq!(process.exit_status().await.code(), Some(3));
        assert!(process.log().starts_with("listening"), "{}", process.log());
    }

    #[tokio::test]
    async fn a_killed_process_cannot_answer() {
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
