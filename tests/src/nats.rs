//! A NATS server for a test.

use std::{path::PathBuf, process::Command};

use async_nats::{
    HeaderMap,
    jetstream::{self, Context, consumer::PullConsumer},
};
use tempfile::TempDir;

use crate::daemon::{self, Daemon};

/// The name of this broker in Cargo features.
pub const FEATURE: &str = "nats";

/// The stream of payment events.
pub const STREAM: &str = "PAYMENTS";

/// The text of every acknowledgement, for a [`Proxy`](crate::proxy::Proxy).
pub const ACK: &str = "+ACK";

/// A server of one test, with JetStream: a child process that ends with the test.
#[derive(Debug)]
pub struct Broker {
    port: u16,
    folder: PathBuf,
    server: Option<Daemon>,
}

impl Broker {
    /// Starts a server, and waits until it answers.
    pub async fn start() -> Self {
        let mut broker = Self {
            port: daemon::free_ports(1),
            folder: TempDir::with_prefix("idem-nats-").unwrap().keep(),
            server: None,
        };
        broker.restart().await;
        broker
    }

    /// Starts a server that no other test uses.
    pub async fn start_alone() -> Self {
        Self::start().await
    }

    /// Kills the server as `kill -9` does. It still has every confirmed message after a restart.
    #[expect(clippy::unused_async, reason = "as of the other broker")]
    pub async fn kill(&mut self) {
        if let Some(server) = self.server.take() {
            server.kill();
        }
    }

    /// Starts the server again with its data, and waits until it answers.
    pub async fn restart(&mut self) {
        self.kill().await;
        let (log, data) = (self.folder.join("log"), self.folder.join("data"));
        let mut program = Command::new("nats-server");
        program.args(["--addr", "127.0.0.1", "--port", &self.port.to_string()]);
        program.arg("--jetstream").arg("--store_dir").arg(&data);
        self.server = Some(Daemon::start(&program, &log, &data));
        daemon::answer(&log, async || async_nats::connect(self.url()).await).await;
    }

    /// The URL for clients.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Publishes an event without a JetStream id, so that JetStream treats it as new.
    pub async fn publish(&self, id: &str, payload: &str) {
        let mut headers = HeaderMap::new();
        headers.insert("Event-Id", id);
        let jetstream = self.jetstream().await;
        let payload = payload.to_owned().into();
        let published = jetstream.publish_with_headers(SUBJECT, headers, payload);
        published.await.unwrap().await.unwrap();
    }

    /// How many messages this consumer has not acknowledged, undelivered ones included.
    pub async fn left(&self, consumer: &str) -> u64 {
        let jetstream = self.jetstream().await;
        let consumer = jetstream.get_consumer_from_stream(consumer, STREAM);
        let consumer: PullConsumer = consumer.await.unwrap();
        let info = consumer.cached_info();
        info.num_pending + u64::try_from(info.num_ack_pending).unwrap()
    }

    async fn jetstream(&self) -> Context {
        jetstream::new(async_nats::connect(self.url()).await.unwrap())
    }
}

const SUBJECT: &str = "payments.captured";
