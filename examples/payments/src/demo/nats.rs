//! A NATS server of this run alone, where the program is installed.

use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// A running server. It ends with this value, and with this process however that ends.
pub(super) struct Server {
    shell: Child,
    url: String,
}

impl Server {
    /// Starts a server with JetStream on a free port, with its files in this folder. `None`: there is none to be started.
    ///
    /// # Errors
    ///
    /// It does not start; its log is in the folder.
    pub(super) async fn start(folder: &Path) -> io::Result<Option<Self>> {
        let mut shell = Command::new("sh")
            .args(["-c", OUTLIVED_BY_NOBODY, "sh"])
            .arg(folder)
            // Ctrl-C is for this process; the shell sees that it has ended.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = shell.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let mut lines = BufReader::new(output).lines();
        let line = timeout(PATIENCE, lines.next_line()).await;
        let line = line.map_err(|_| io::Error::other("NATS does not get ready"))??;
        let Some(line) = line else {
            return Err(io::Error::other("NATS does not start"));
        };
        if line == MISSING {
            return Ok(None);
        }
        let ports: Value = serde_json::from_str(&line)?;
        match ports["nats"][0].as_str() {
            Some(url) => Ok(Some(Self {
                shell,
                url: url.to_owned(),
            })),
            None => Err(io::Error::other("NATS listens nowhere")),
        }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Stops it, and returns when it writes no more.
    ///
    /// # Errors
    ///
    /// The system refuses.
    pub(super) async fn stop(mut self) -> io::Result<()> {
        drop(self.shell.stdin.take());
        self.shell.wait().await.map(drop)
    }
}

/// Debian keeps servers where only root looks for programs.
const OUTLIVED_BY_NOBODY: &str = r#"
PATH=$PATH:/usr/sbin:/usr/local/sbin
command -v nats-server >/dev/null || { echo missing; exit; }
nats-server --addr 127.0.0.1 --port -1 --ports_file_dir "$1" --jetstream --store_dir "$1/jetstream" >"$1/nats.log" 2>&1 &
server=$!
until ports=$(cat "$1"/*.ports 2>/dev/null) && [ -n "$ports" ]; do
    kill -0 $server || exit
    sleep 0.02
done
echo "$ports" | tr -d '\n'; echo
read -r end
kill -9 $server
wait
"#;

const MISSING: &str = "missing";

const PATIENCE: Duration = Duration::from_secs(30);
