//! The servers: each a process of its own, as in production, whose share of the processor can be told.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::process::parent_id;
use std::time::Duration;

use clap::ValueEnum;
use idem_tests::process::{Process, cpu_of};
use tokio::process::Command;
use tokio::time;

use crate::links::Link;
use crate::options::{Database, Plan};

/// A kind of server.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Node {
    /// No protection.
    Bare,
    /// What one writes without a library.
    ByHand,
    Idem,
    /// Idem on a pool that does not test a connection before it lends it.
    Unpinged,
    /// Idem that merges the messages of an attempt.
    Merging,
    /// Idem with a memory of its completions.
    Remembering,
    /// Idem that only observes.
    Observing,
    /// Idem that encrypts what it stores.
    Encrypting,
    /// Idem that is turned off.
    Off,
}

impl Node {
    /// What it is called in an option.
    pub(crate) fn name(self) -> String {
        name(&self)
    }
}

/// A server that runs.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    /// The way to its database.
    pub(crate) link: Link,
    /// `None`: it runs elsewhere, or in this process.
    process: Option<Process>,
}

impl Running {
    pub(crate) fn at(address: SocketAddr, link: Link) -> Self {
        Self {
            address,
            link,
            process: None,
        }
    }

    /// Starts this program once more, as the server alone.
    pub(crate) async fn apart(
        database: Database,
        node: Node,
        plan: &Plan,
        (url, link): (String, Link),
    ) -> Self {
        let program = std::env::current_exe().unwrap();
        let mut command = Command::new(program);
        command.args(["--database", &name(&database)]);
        command.args(["--node", &node.name(), "--url", &url]);
        command.args(["--pool-size", &plan.pool_size.to_string()]);
        if let Some(attempts) = plan.max_attempts {
            command.args(["--max-attempts", &attempts.to_string()]);
        }
        let process = Process::start_at(command, LISTENING).await;
        Self {
            address: process.address(),
            link,
            process: Some(process),
        }
    }

    /// How long its process has kept a processor busy so far.
    pub(crate) fn cpu(&self) -> Option<Duration> {
        cpu_of(self.process.as_ref()?.id()?)
    }
}

fn name(value: &impl ValueEnum) -> String {
    value.to_possible_value().unwrap().get_name().to_owned()
}

/// Keeps the server of this process until the process that started it has ended.
pub(crate) async fn serve_parent(address: SocketAddr) -> io::Result<()> {
    writeln!(io::stdout(), "{LISTENING}{address}")?;
    let parent = parent_id();
    while parent_id() == parent {
        time::sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}

const LISTENING: &str = "listening on ";
