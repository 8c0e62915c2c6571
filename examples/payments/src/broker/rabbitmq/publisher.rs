//! Publishes events to RabbitMQ.

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Channel, Confirmation, Connection, PublisherConfirm};

use super::EXCHANGE;
use crate::broker::{BrokerError, Published, Publisher};
use crate::outbox::Outgoing;

/// A channel with publisher confirms.
#[derive(Debug)]
pub(crate) struct RabbitPublisher {
    channel: Channel,
    // Dropping it would close it.
    _connection: Connection,
}

impl RabbitPublisher {
    pub(super) async fn open(
        connection: Connection,
        channel: Channel,
    ) -> Result<Self, BrokerError> {
        let options = ConfirmSelectOptions::default();
        channel.confirm_select(options).await?;
        Ok(Self {
            channel,
            _connection: connection,
        })
    }
}

impl Publisher for RabbitPublisher {
    async fn publish(&mut self, events: &[Outgoing]) -> Published {
        let mut sent = Vec::new();
        for event in events {
            let payload = event.payload.as_bytes();
            sent.push(self.send(EXCHANGE, "", &event.message_id, payload).await);
        }
        let mut told = Vec::new();
        for (event, sent) in events.iter().zip(sent) {
            told.push((event.id, confirmed(sent).await));
        }
        told.into_iter().collect()
    }

    async fn hand_to(
        &mut self,
        consumer: &str,
        message_id: &str,
        payload: &[u8],
    ) -> Result<(), BrokerError> {
        // The default exchange routes to the queue of that name.
        let sent = self.send("", consumer, message_id, payload).await;
        confirmed(sent).await
    }
}

impl RabbitPublisher {
    async fn send(
        &self,
        exchange: &str,
        routing_key: &str,
        message_id: &str,
        payload: &[u8],
    ) -> lapin::Result<PublisherConfirm> {
        let on_disk = 2;
        let properties = BasicProperties::default()
            .with_delivery_mode(on_disk)
            .with_content_type("application/json".into())
            .with_message_id(message_id.into());
        // A message that no queue accepts is returned, and does not count as published.
        let options = BasicPublishOptions {
            mandatory: true,
            ..BasicPublishOptions::default()
        };
        self.channel
            .basic_publish(
                exchange.into(),
                routing_key.into(),
                options,
                payload,
                properties,
            )
            .await
    }
}

async fn confirmed(sent: lapin::Result<PublisherConfirm>) -> Result<(), BrokerError> {
    match sent?.await? {
        Confirmation::Ack(None) => Ok(()),
        Confirmation::Ack(Some(_)) => Err("no queue took the event".into()),
        Confirmation::Nack(_) => Err("the server refused the event".into()),
        Confirmation::NotRequested => Err("the server confirms nothing".into()),
    }
}
