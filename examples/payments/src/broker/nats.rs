//! NATS JetStream: a stream of all events, and a durable pull consumer for each of ours.

use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, pull};
use async_nats::jetstream::context::PublishAckFuture;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::{self, Context, stream};

use self::queue::NatsQueue;
use super::{Broker, BrokerError, Published, Publisher};
use crate::consumer::Consumer;
use crate::outbox::Outgoing;

mod queue;

/// How long the stream keeps a message, acknowledged or not: the longest redelivery,
/// since a recreated consumer gets all messages.
pub(crate) const MAX_AGE: Duration = Duration::from_hours(7 * 24);

/// A server, or a cluster of them.
#[derive(Clone, Debug)]
pub(crate) struct Nats {
    context: Context,
    ack_wait: Duration,
}

impl Nats {
    /// Connects in the background, and reconnects.
    ///
    /// # Errors
    ///
    /// The address is invalid.
    pub(crate) async fn connect(url: &str, ack_wait: Duration) -> Result<Self, BrokerError> {
        let client = async_nats::ConnectOptions::new()
            .name("payments worker")
            .retry_on_initial_connect()
            .connect(url)
            .await?;
        Ok(Self {
            context: jetstream::new(client),
            ack_wait,
        })
    }

    async fn stream(&self) -> Result<stream::Stream, BrokerError> {
        let config = stream::Config {
            name: STREAM.to_owned(),
            subjects: vec!["payments.>".to_owned()],
            max_age: MAX_AGE,
            ..stream::Config::default()
        };
        Ok(self.context.get_or_create_stream(config).await?)
    }
}

impl Broker for Nats {
    type Publisher = Self;
    type Queue = NatsQueue;

    async fn publisher(&self) -> Result<Self, BrokerError> {
        self.stream().await?;
        Ok(self.clone())
    }

    async fn queue(&self, consumer: Consumer, _: u16) -> Result<NatsQueue, BrokerError> {
        let config = pull::Config {
            durable_name: Some(consumer.name().to_owned()),
            ack_policy: AckPolicy::Explicit,
            ack_wait: self.ack_wait,
            // The inbox decides when a message has finally failed.
            max_deliver: -1,
            ..pull::Config::default()
        };
        let source = self.stream().await?.create_consumer(config).await?;
        Ok(NatsQueue::new(
            source,
            self.context.client(),
            consumer.name(),
        ))
    }
}

impl Publisher for Nats {
    async fn publish(&mut self, events: &[Outgoing]) -> Published {
        let mut sent = Vec::new();
        for event in events {
            let message = PublishMessage::build()
                .header(EVENT_ID, event.message_id.as_str())
                // The server drops ids that it has seen in the last minutes.
                .message_id(&event.message_id)
                .payload(event.payload.clone().into());
            let subject = event.kind.replacen("payment.", "payments.", 1);
            sent.push(self.context.send_publish(subject, message).await);
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
        // Without a message id: the server would drop it as a known one.
        let message = PublishMessage::build()
            .header(EVENT_ID, message_id)
            .header(ONLY_FOR, consumer)
            .payload(payload.to_vec().into());
        let sent = self
            .context
            .send_publish("payments.redriven", message)
            .await;
        confirmed(sent).await
    }
}

async fn confirmed<E>(sent: Result<PublishAckFuture, E>) -> Result<(), BrokerError>
where
    BrokerError: From<E>,
{
    sent?.await?;
    Ok(())
}

const STREAM: &str = "PAYMENTS";

/// The identity of a message for the inbox.
const EVENT_ID: &str = "Event-Id";

/// The consumer that a message is for, if it is not for all.
const ONLY_FOR: &str = "Only-For";
