//! A second process of the API, which may be killed at any time.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use crate::child;

/// A running process of the API. It is killed when this value is dropped, and stops when this process ends.
pub(crate) struct Node {
    child: Child,
    address: SocketAddr,
}

impl Node {
    /// Starts the API on an address, such as `127.0.0.1:0` for a free port, and waits until it listens.
    ///
    /// # Errors
    ///
    /// The program cannot be started, ends, or does not listen in time.
    pub(crate) async fn start(
        mut program: Command,
        listen: &str,
        database_url: &str,
        more: &[&str],
    ) -> io::Result<Self> {
        program.args(["--listen", listen]).args(more);
        // On the command line everybody on this machine could read its password.
        program.env("DATABASE_URL", database_url);
        let (child, address) = child::start(program, |line| {
            line.strip_prefix("listening on http://")?.parse().ok()
        })
        .await?;
        Ok(Self { child, address })
    }

    /// Where it listens, such as `http://127.0.0.1:4711`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The number of its process, while it runs.
    pub(crate) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits until an attempt runs on it, by its metrics.
    ///
    /// # Errors
    ///
    /// It does not answer, or no attempt begins within half a minute.
    pub(crate) async fn is_in_the_middle(&self, client: &reqwest::Client) -> io::Result<()> {
        let metrics = format!("{}/metrics", self.url());
        let look = async {
            loop {
                let shown = client
                    .get(&metrics)
                    .send()
                    .await
                    .map_err(io::Error::other)?;
                let shown = shown.text().await.map_err(io::Error::other)?;
                let mut lines = shown.lines();
                if lines.any(|line| line.strip_prefix(RUNNING).is_some_and(|count| count != "0")) {
                    return Ok(());
                }
                sleep(MOMENT).await;
            }
        };
        let begun = timeout(PATIENCE, look).await;
        begun.map_err(|_| io::Error::other("no attempt has begun"))?
    }

    /// Kills it as `kill -9` does, and waits for its end.
    ///
    /// # Errors
    ///
    /// The system refuses.
    pub(crate) async fn kill(mut self) -> io::Result<()> {
        self.child.kill().await
    }
}

/// The gauge of the attempts that run, as Prometheus reads it.
const RUNNING: &str = "idem_attempts_running ";

const PATIENCE: Duration = Duration::from_secs(30);

const MOMENT: Duration = Duration::from_millis(5);
