//! A RabbitMQ server for tests.

mod node;

use std::sync::atomic::{AtomicUsize, Ordering};

use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties,
    options::{BasicPublishOptions, ConfirmSelectOptions},
};
use tokio::sync::OnceCell;

use self::node::Node;

/// The name of this broker in Cargo features.
pub const FEATURE: &str = "rabbitmq";

/// The exchange that payment events are published to.
pub const EXCHANGE: &str = "payments";

/// The text of every acknowledgement, for a [`Proxy`](crate::proxy::Proxy).
pub const ACK: &str = "basic.ack";

/// A virtual host of one test, on a server that is a child process and ends with the test's process.
#[derive(Debug)]
pub struct Broker {
    node: Place,
    vhost: String,
}

/// The server: shared where possible, since a start takes seconds.
#[derive(Debug)]
enum Place {
    Shared(&'static Node),
    Alone(Box<Node>),
}

impl Broker {
    /// Creates a virtual host on the server of this process, which the first test starts.
    pub async fn start() -> Self {
        static SHARED: OnceCell<Node> = OnceCell::const_new();
        Self::on(Place::Shared(SHARED.get_or_init(Node::start).await)).await
    }

    /// Starts a server that no other test uses.
    pub async fn start_alone() -> Self {
        Self::on(Place::Alone(Box::new(Node::start().await))).await
    }

    async fn on(node: Place) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let vhost = format!("test-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let broker = Self { node, vhost };
        broker.node().add_vhost(&broker.vhost).await;
        broker
    }

    /// Kills the server as `kill -9` does. It still has every confirmed message after a restart.
    pub async fn kill(&mut self) {
        self.own_node().kill().await;
    }

    /// Starts the server again with its data, and waits until it answers.
    pub async fn restart(&mut self) {
        self.own_node().restart().await;
    }

    /// The URL for clients.
    pub fn url(&self) -> String {
        self.node().url(&self.vhost)
    }

    /// Publishes an event.
    pub async fn publish(&self, id: &str, payload: &str) {
        let connection = self.connect().await;
        let channel: Channel = connection.create_channel().await.unwrap();
        let confirm = channel.confirm_select(ConfirmSelectOptions::default());
        confirm.await.unwrap();
        let properties = BasicProperties::default()
            .with_message_id(id.into())
            .with_delivery_mode(PERSISTENT);
        let options = BasicPublishOptions::default();
        let payload = payload.as_bytes();
        let published =
            channel.basic_publish(EXCHANGE.into(), "".into(), options, payload, properties);
        let confirmation = published.await.unwrap().await.unwrap();
        assert!(confirmation.is_ack(), "{confirmation:?}");
        connection.close(200, "done".into()).await.unwrap();
    }

    /// How many messages this consumer has not acknowledged, undelivered ones included.
    pub async fn left(&self, consumer: &str) -> u64 {
        self.node().messages(&self.vhost, consumer).await
    }

    async fn connect(&self) -> Connection {
        let properties = ConnectionProperties::default();
        Connection::connect(&self.url(), properties).await.unwrap()
    }

    fn node(&self) -> &Node {
        match &self.node {
            Place::Shared(node) => node,
            Place::Alone(node) => node,
        }
    }

    fn own_node(&mut self) -> &mut Node {
        match &mut self.node {
            Place::Shared(_) => panic!("other tests use this server: `start_alone`"),
            Place::Alone(node) => node,
        }
    }
}

const PERSISTENT: u8 = 2;
