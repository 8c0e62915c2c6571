//! A server program that ends with the test that started it.

use std::{
    env,
    fmt::Debug,
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, TcpListener},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Mutex,
    time::Duration,
};

use rustix::process::Pid;
#[cfg(feature = "mysql")]
use rustix::process::{Signal, kill_process};
use tokio::time::{Instant, sleep};

/// A running server. It is killed when the value is dropped and when this process ends in any way.
#[derive(Debug)]
pub(crate) struct Daemon {
    #[cfg_attr(
        not(any(test, feature = "mysql")),
        expect(dead_code, reason = "see `freeze`")
    )]
    pid: Pid,
    /// Kills the server when its own input ends.
    shell: Child,
}

impl Daemon {
    /// Starts the program, which appends what it prints to the file `log`.
    ///
    /// Dropping it removes the log and the folder `data`, and their parent folder once that is empty.
    pub(crate) fn start(program: &Command, log: &Path, data: &Path) -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", OUTLIVED_BY_NOBODY, "sh"]);
        shell.args([log, data]).arg(program.get_program());
        shell.args(program.get_args());
        for (name, value) in program.get_envs() {
            shell.env(name, value.unwrap_or_default());
        }
        // Debian keeps servers where only root looks for programs.
        let path = env::var("PATH").unwrap_or_default();
        shell.env("PATH", format!("{path}:/usr/sbin:/usr/local/sbin"));
        // Ctrl-C is for this process; the shell sees that it has ended.
        shell.process_group(0);
        let shell = shell.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut shell = shell.spawn().unwrap();
        let mut pid = String::new();
        let mut output = BufReader::new(shell.stdout.take().unwrap());
        output.read_line(&mut pid).unwrap();
        Self {
            pid: Pid::from_raw(pid.trim().parse().unwrap()).unwrap(),
            shell,
        }
    }

    /// Kills it as `kill -9` does, waits for its end and keeps its files.
    #[cfg_attr(
        not(any(test, feature = "nats", feature = "rabbitmq")),
        expect(dead_code, reason = "only brokers are killed")
    )]
    pub(crate) fn kill(mut self) {
        let input = self.shell.stdin.as_mut().unwrap();
        input.write_all(b"keep\n").unwrap();
        self.shell.wait().unwrap();
    }

    /// Stops it where it is, like a machine that swaps.
    #[cfg(feature = "mysql")]
    pub(crate) fn freeze(&self) {
        kill_process(self.pid, Signal::STOP).unwrap();
    }

    /// Ends [`Daemon::freeze`].
    #[cfg(feature = "mysql")]
    pub(crate) fn thaw(&self) {
        kill_process(self.pid, Signal::CONT).unwrap();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        self.shell.wait().unwrap();
    }
}

/// Repeats a call to the server until it succeeds.
///
/// A server that starts writes to its log, and on a busy machine does so for long: only one that has
/// stopped writing is given up.
pub(crate) async fn answer<T, E: Debug>(
    log: &Path,
    mut ask: impl AsyncFnMut() -> Result<T, E>,
) -> T {
    let began = Instant::now();
    let (mut written, mut changed) = (0, began);
    loop {
        let error = match ask().await {
            Ok(answer) => return answer,
            Err(error) => error,
        };
        let length = fs::metadata(log).map_or(0, |log| log.len());
        if length != written {
            (written, changed) = (length, Instant::now());
        }
        if changed.elapsed() > PATIENCE || began.elapsed() > 10 * PATIENCE {
            let log = fs::read_to_string(log).unwrap_or_default();
            let waited = began.elapsed();
            panic!("no answer within {waited:?}: {error:?}; the server's log:\n{log}");
        }
        sleep(Duration::from_millis(20)).await;
    }
}

/// The first of `count` consecutive free ports that no other test process gets.
///
/// They lie below the ephemeral ports: a client that keeps trying to reach a server on an
/// ephemeral port may in the end connect to itself.
pub(crate) fn free_ports(count: u16) -> u16 {
    static TAKEN: Mutex<Vec<File>> = Mutex::new(Vec::new());
    let folder = env::temp_dir().join("idem-ports");
    fs::create_dir_all(&folder).unwrap();
    let take = |port: u16| {
        let file = File::create(folder.join(port.to_string())).ok()?;
        file.try_lock().ok()?;
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()?;
        Some(file)
    };
    let firsts = (16_000..32_000 - count).step_by(usize::from(count));
    let mut rows = firsts.map(|first| (first, (first..first + count).map(take)));
    let found = rows.find_map(|(first, row)| Some((first, row.collect::<Option<Vec<_>>>()?)));
    let (first, files) = found.expect("there are free ports");
    // Their locks end with this process.
    TAKEN.lock().unwrap().extend(files);
    first
}

/// Prints the server's process id, and kills the server once the shell's input is closed.
const OUTLIVED_BY_NOBODY: &str = r#"
log=$1 data=$2; shift 2
"$@" >>"$log" 2>&1 &
server=$!
echo $server
read -r keep
kill -9 $server
wait
[ -z "$keep" ] || exit 0
rm -rf "$data" "$log"
rmdir "${log%/*}" 2>/dev/null
"#;

const PATIENCE: Duration = Duration::from_secs(40);

#[cfg(test)]
mod tests {
    use rustix::process::test_kill_process;
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn dropping_a_server_ends_it_and_deletes_its_files() {
        let (folder, daemon) = start();
        let pid = daemon.pid;
        test_kill_process(pid).unwrap();
        drop(daemon);
        test_kill_process(pid).unwrap_err();
        assert!(!folder.path().exists());
    }

    #[test]
    fn killing_a_server_ends_it_and_keeps_its_files() {
        let (folder, daemon) = start();
        let pid = daemon.pid;
        daemon.kill();
        test_kill_process(pid).unwrap_err();
        assert!(folder.path().join("data").exists());
    }

    #[test]
    fn no_port_is_handed_out_twice() {
        let (one, three) = (free_ports(1), free_ports(3));
        assert!(!(three..three + 3).contains(&one), "{one} and {three}");
    }

    fn start() -> (TempDir, Daemon) {
        let folder = TempDir::with_prefix("idem-").unwrap();
        let [log, data] = ["log", "data"].map(|name| folder.path().join(name));
        fs::create_dir(&data).unwrap();
        let mut server = Command::new("sleep");
        server.arg("600");
        let daemon = Daemon::start(&server, &log, &data);
        (folder, daemon)
    }
}
