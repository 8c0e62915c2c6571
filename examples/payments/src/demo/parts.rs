//! The API and the worker as processes, which may be killed.

use std::error::Error;
use std::io;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use reqwest::Client;
use tokio::net::TcpSocket;
use tokio::process::Child;

use super::part::{self, Part};
use crate::child;
use crate::node::Node;

/// What the parts are started with.
pub(super) struct Options {
    pub(super) database_url: String,
    pub(super) rollout: String,
    pub(super) broker: String,
    /// The folder for their logs.
    pub(super) logs: PathBuf,
}

/// Both processes, while they run. They are killed when this value is dropped.
pub(super) struct Parts {
    options: Options,
    listen: String,
    /// Bound, and not listening: so Linux gives the port to nobody else while the API is away.
    _port: Option<TcpSocket>,
    api: Option<Node>,
    worker: Option<Child>,
}

impl Parts {
    /// # Errors
    ///
    /// There is no free port.
    pub(super) fn new(options: Options) -> io::Result<Self> {
        let port = TcpSocket::new_v4()?;
        port.set_reuseaddr(true)?;
        port.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        Ok(Self {
            options,
            listen: port.local_addr()?.to_string(),
            // Other systems would not give it to the API either.
            _port: cfg!(target_os = "linux").then_some(port),
            api: None,
            worker: None,
        })
    }

    /// Where the API listens, each time that it is started.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.listen)
    }

    pub(super) fn database_url(&self) -> &str {
        &self.options.database_url
    }

    /// The broker, without what may be secret in its address.
    pub(super) fn broker(&self) -> &str {
        let broker = &*self.options.broker;
        broker.split_once("://").map_or(broker, |(kind, _)| kind)
    }

    /// Starts the API, then the worker.
    ///
    /// # Errors
    ///
    /// One of them does not start; the error has its log.
    pub(super) async fn start(&mut self) -> Result<(), Box<dyn Error + Send + Sync>> {
        let url = self.database_url();
        let rollout = ["--rollout", &self.options.rollout];
        let mut program = Part::Api.program(&self.options.logs)?;
        program.env("PAYMENTS_BROKER", &self.options.broker);
        let api = Node::start(program, &self.listen, url, &rollout).await;
        self.api = Some(api.map_err(|error| self.why("API", &error))?);
        let mut command = Part::Worker.program(&self.options.logs)?;
        // Both may contain a password, which everybody could read on the command line.
        command.env("DATABASE_URL", self.database_url());
        command.env("PAYMENTS_BROKER", &self.options.broker);
        // As if acknowledgements were lost, so that the worker meets what it has booked before, killed or not.
        command.args(["--ack-wait", "50ms"]);
        let is_ready = |line: &str| (line == "worker: ready").then_some(());
        let worker = child::start(command, is_ready).await;
        let (worker, ()) = worker.map_err(|error| self.why("worker", &error))?;
        self.worker = Some(worker);
        Ok(())
    }

    fn why(&self, part: &str, error: &io::Error) -> String {
        format!("the {part} does not start: {error}{}", self.logs())
    }

    /// What the parts have logged last, to be shown when they have failed.
    pub(super) fn logs(&self) -> String {
        part::logs(&self.options.logs)
    }

    /// Waits until an attempt runs.
    ///
    /// # Errors
    ///
    /// The API does not answer.
    pub(super) async fn is_in_the_middle(&self, client: &Client) -> io::Result<()> {
        match &self.api {
            Some(api) => api.is_in_the_middle(client).await,
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Kills both as `kill -9` does, and waits for their ends.
    ///
    /// # Errors
    ///
    /// The system refuses.
    pub(super) async fn kill(&mut self) -> io::Result<()> {
        if let Some(api) = self.api.take() {
            api.kill().await?;
        }
        if let Some(mut worker) = self.worker.take() {
            worker.kill().await?;
        }
        Ok(())
    }
}
