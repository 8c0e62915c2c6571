//! The messages of one consumer in RabbitMQ.

use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use lapin::message::Delivery as Delivered;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Acker, Channel, Connection};
use tokio::time::{sleep, timeout};

use crate::broker::{BrokerError, Delivery, Queue, Receipt};

/// A subscription to one queue.
#[derive(Debug)]
pub(crate) struct RabbitQueue {
    messages: lapin::Consumer,
    connection: Connection,
}

impl RabbitQueue {
    pub(super) async fn open(
        connection: Connection,
        channel: &Channel,
        name: &str,
        unacknowledged: u16,
    ) -> Result<Self, BrokerError> {
        channel
            .basic_qos(unacknowledged, BasicQosOptions::default())
            .await?;
        let (options, nothing) = (BasicConsumeOptions::default(), FieldTable::default());
        let messages = channel
            .basic_consume(name.into(), "".into(), options, nothing)
            .await?;
        Ok(Self {
            messages,
            connection,
        })
    }
}

impl Queue for RabbitQueue {
    type Receipt = Acker;

    async fn receive(&mut self, most: u16) -> Result<Vec<Delivery<Acker>>, BrokerError> {
        let Ok(first) = timeout(POLL, self.messages.next()).await else {
            return Ok(Vec::new());
        };
        let first = first.ok_or("the server ended the subscription")??;
        let mut deliveries = vec![self.delivery(first)];
        while deliveries.len() < usize::from(most)
            && let Some(Some(next)) = self.messages.next().now_or_never()
        {
            deliveries.push(self.delivery(next?));
        }
        Ok(deliveries)
    }

    async fn close(self) -> Result<(), BrokerError> {
        let normally = 200;
        self.connection.close(normally, "".into()).await?;
        Ok(())
    }
}

impl RabbitQueue {
    fn delivery(&self, delivered: Delivered) -> Delivery<Acker> {
        let message_id = delivered.properties.message_id().as_ref();
        Delivery {
            // Messages of other publishers may have no id; then the same bytes are the same message.
            message_id: message_id.map_or_else(
                || delivered.data.clone(),
                |id| id.as_str().as_bytes().to_vec(),
            ),
            count: earlier_deliveries(&delivered).saturating_add(1),
            // A queue has no stable positions: an acknowledged message is gone.
            reference: format!("queue {}", self.messages.queue()),
            payload: delivered.data,
            receipt: delivered.acker,
        }
    }
}

/// A quorum queue counts how often a message was returned.
fn earlier_deliveries(delivered: &Delivered) -> u32 {
    let headers = delivered.properties.headers().as_ref();
    let count = headers.and_then(|headers| headers.inner().get("x-delivery-count"));
    count
        .and_then(AMQPValue::as_long_long_int)
        .and_then(|count| count.try_into().ok())
        .unwrap_or(0)
}

impl Receipt for Acker {
    async fn ack(self) -> Result<(), BrokerError> {
        match Self::ack(&self, BasicAckOptions::default()).await? {
            true => Ok(()),
            false => Err("the connection it came by is closed".into()),
        }
    }

    /// RabbitMQ has no delayed redelivery, so the message waits here. If the worker or its connection
    /// ends before that, it is redelivered immediately.
    async fn retry(self, after: Duration) -> Result<(), BrokerError> {
        tokio::spawn(async move {
            sleep(after).await;
            let requeue = BasicNackOptions {
                requeue: true,
                ..BasicNackOptions::default()
            };
            if let Err(error) = self.nack(requeue).await {
                tracing::debug!(%error, "the server has taken the message back already");
            }
        });
        Ok(())
    }
}

const POLL: Duration = Duration::from_secs(1);
