//! The messages of one consumer in NATS.

use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::Message;
use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::consumer::pull::Batch;
use async_nats::jetstream::message::{AckKind, Acker};
use futures_util::{FutureExt, StreamExt};
use tokio::time::timeout;

use super::{EVENT_ID, ONLY_FOR};
use crate::broker::{BrokerError, Delivery, Queue, Receipt};

/// A durable consumer, and its last pull.
pub(crate) struct NatsQueue {
    source: PullConsumer,
    client: Client,
    consumer: &'static str,
    asked: Option<Batch>,
}

impl NatsQueue {
    pub(super) fn new(source: PullConsumer, client: Client, consumer: &'static str) -> Self {
        Self {
            source,
            client,
            consumer,
            asked: None,
        }
    }
}

impl Queue for NatsQueue {
    type Receipt = Acker;

    async fn receive(&mut self, most: u16) -> Result<Vec<Delivery<Acker>>, BrokerError> {
        let most = usize::from(most);
        let batch = match &mut self.asked {
            Some(batch) => batch,
            None => {
                let asked = self.source.batch().max_messages(most).expires(POLL);
                self.asked.insert(asked.messages().await?)
            }
        };
        // A server answers every pull in time, with a message or without. If it has lost the
        // consumer or is away, it does not answer.
        let first = timeout(2 * POLL, batch.next()).await;
        let Some(first) = first.map_err(|_| "the server does not answer a pull")? else {
            self.asked = None;
            return Ok(Vec::new());
        };
        let mut messages = vec![first];
        while messages.len() < most
            && let Some(Some(next)) = batch.next().now_or_never()
        {
            messages.push(next);
        }
        self.deliveries(messages).await
    }

    async fn close(self) -> Result<(), BrokerError> {
        Ok(self.client.flush().await?)
    }
}

impl NatsQueue {
    async fn deliveries(
        &mut self,
        messages: Vec<Result<Message, async_nats::Error>>,
    ) -> Result<Vec<Delivery<Acker>>, BrokerError> {
        let mut deliveries = Vec::new();
        for message in messages {
            let message = message.inspect_err(|_| self.asked = None)?;
            if header(&message, ONLY_FOR).is_some_and(|name| name != self.consumer) {
                message.ack().await?;
                continue;
            }
            deliveries.push(delivery(message)?);
        }
        Ok(deliveries)
    }
}

fn delivery(message: Message) -> Result<Delivery<Acker>, BrokerError> {
    let info = message.info()?;
    let reference = format!("{}:{}", info.stream, info.stream_sequence);
    let count = info.delivered.try_into().unwrap_or(u32::MAX);
    // Messages of other publishers may lack this header, but always have a place in the stream.
    let message_id = header(&message, EVENT_ID).map_or(reference.clone(), str::to_owned);
    let (message, receipt) = message.split();
    Ok(Delivery {
        message_id: message_id.into_bytes(),
        payload: message.payload.into(),
        count,
        reference,
        receipt,
    })
}

fn header<'m>(message: &'m Message, name: &str) -> Option<&'m str> {
    Some(message.headers.as_ref()?.get(name)?.as_str())
}

impl Receipt for Acker {
    async fn ack(self) -> Result<(), BrokerError> {
        Self::ack(&self).await
    }

    async fn retry(self, after: Duration) -> Result<(), BrokerError> {
        self.ack_with(AckKind::Nak(Some(after))).await
    }
}

/// How long a pull waits for a first message.
const POLL: Duration = Duration::from_secs(1);
