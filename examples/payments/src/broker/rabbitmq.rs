//! RabbitMQ: a fanout exchange of all events, and a durable quorum queue for each consumer.

use std::time::Duration;

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::uri::AMQPUri;
use lapin::{Channel, Connection, ConnectionProperties, ExchangeKind};
use tokio::time::timeout;

use self::publisher::RabbitPublisher;
use self::queue::RabbitQueue;
use super::{Broker, BrokerError};
use crate::consumer::Consumer;

mod publisher;
mod queue;

/// A server, or a cluster of them.
#[derive(Clone, Debug)]
pub(crate) struct RabbitMq {
    url: AMQPUri,
}

impl RabbitMq {
    pub(crate) fn new(url: &str) -> Result<Self, BrokerError> {
        Ok(Self { url: url.parse()? })
    }

    /// Opens a separate connection: if the server blocks it, the others continue.
    async fn connect(&self) -> Result<(Connection, Channel), BrokerError> {
        let properties =
            ConnectionProperties::default().with_connection_name("payments worker".into());
        let connection = timeout(
            PATIENCE,
            Connection::connect_uri(self.url.clone(), properties),
        )
        .await??;
        let channel = connection.create_channel().await?;
        declare(&channel).await?;
        Ok((connection, channel))
    }
}

/// Creates the exchange and all queues, so that no event is published without a queue.
async fn declare(channel: &Channel) -> Result<(), BrokerError> {
    let durable = ExchangeDeclareOptions {
        durable: true,
        ..ExchangeDeclareOptions::default()
    };
    let nothing = FieldTable::default();
    channel
        .exchange_declare(
            EXCHANGE.into(),
            ExchangeKind::Fanout,
            durable,
            nothing.clone(),
        )
        .await?;
    for consumer in Consumer::ALL {
        let mut quorum = FieldTable::default();
        quorum.insert(
            "x-queue-type".into(),
            AMQPValue::LongString("quorum".into()),
        );
        let name = consumer.name();
        channel
            .queue_declare(name.into(), QueueDeclareOptions::durable(), quorum)
            .await?;
        let options = QueueBindOptions::default();
        channel
            .queue_bind(
                name.into(),
                EXCHANGE.into(),
                "".into(),
                options,
                nothing.clone(),
            )
            .await?;
    }
    Ok(())
}

impl Broker for RabbitMq {
    type Publisher = RabbitPublisher;
    type Queue = RabbitQueue;

    async fn publisher(&self) -> Result<RabbitPublisher, BrokerError> {
        let (connection, channel) = self.connect().await?;
        RabbitPublisher::open(connection, channel).await
    }

    async fn queue(
        &self,
        consumer: Consumer,
        unacknowledged: u16,
    ) -> Result<RabbitQueue, BrokerError> {
        let (connection, channel) = self.connect().await?;
        RabbitQueue::open(connection, &channel, consumer.name(), unacknowledged).await
    }
}

const EXCHANGE: &str = "payments";

/// How long a connection may take.
const PATIENCE: Duration = Duration::from_secs(10);
