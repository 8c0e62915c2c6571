//! A minimal RabbitMQ consumer.

use futures_util::StreamExt as _;
use idem_tests::rabbitmq::EXCHANGE;
use lapin::{
    Connection, ConnectionProperties, ExchangeKind, message,
    options::{
        BasicAckOptions, BasicConsumeOptions, BasicQosOptions, ExchangeDeclareOptions,
        QueueBindOptions, QueueDeclareOptions,
    },
    types::{AMQPValue, FieldTable},
};

/// A delivered message.
pub struct Delivery {
    pub id: String,
    message: message::Delivery,
}

pub struct Consumer {
    consumer: lapin::Consumer,
    /// Closed when this value is dropped.
    _connection: Connection,
}

impl Consumer {
    /// Creates the exchange and the queue `ledger` if they are missing.
    pub async fn on(url: &str) -> Self {
        let properties = ConnectionProperties::default();
        let connection = Connection::connect(url, properties).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        let none = FieldTable::default;
        let durable = ExchangeDeclareOptions {
            durable: true,
            ..Default::default()
        };
        let exchange =
            channel.exchange_declare(EXCHANGE.into(), ExchangeKind::Fanout, durable, none());
        exchange.await.unwrap();
        let mut quorum = FieldTable::default();
        quorum.insert(
            "x-queue-type".into(),
            AMQPValue::LongString("quorum".into()),
        );
        let queue = channel.queue_declare("ledger".into(), QueueDeclareOptions::durable(), quorum);
        queue.await.unwrap();
        let options = QueueBindOptions::default();
        let bound =
            channel.queue_bind("ledger".into(), EXCHANGE.into(), "".into(), options, none());
        bound.await.unwrap();
        channel
            .basic_qos(1, BasicQosOptions::default())
            .await
            .unwrap();
        let options = BasicConsumeOptions::default();
        let consumer = channel.basic_consume("ledger".into(), "".into(), options, none());
        Self {
            consumer: consumer.await.unwrap(),
            _connection: connection,
        }
    }

    pub async fn can_connect(url: &str) -> bool {
        let properties = ConnectionProperties::default();
        Connection::connect(url, properties).await.is_ok()
    }

    pub async fn receive(&mut self) -> Delivery {
        let message = self.consumer.next().await.unwrap().unwrap();
        let id = message.properties.message_id().as_ref().unwrap();
        Delivery {
            id: id.to_string(),
            message,
        }
    }
}

impl Delivery {
    pub async fn ack(self) {
        self.message.ack(BasicAckOptions::default()).await.unwrap();
    }
}
