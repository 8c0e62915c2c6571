//! What the worker needs from a broker: it accepts events, and delivers each until it is acknowledged.

use std::error::Error;
use std::time::Duration;

use crate::consumer::Consumer;
use crate::outbox::Outgoing;

pub(crate) mod embedded;
#[cfg(feature = "nats")]
pub(crate) mod nats;
#[cfg(feature = "rabbitmq")]
pub(crate) mod rabbitmq;

/// A failure to reach the broker; the worker tries again.
pub(crate) type BrokerError = Box<dyn Error + Send + Sync>;

/// A broker by its address.
///
/// Publisher and queue create what they need there: streams, exchanges, queues. After an error the
/// worker drops and recreates them.
pub(crate) trait Broker: Clone + Send + Sync + 'static {
    type Publisher: Publisher;
    type Queue: Queue;

    fn publisher(&self) -> impl Future<Output = Result<Self::Publisher, BrokerError>> + Send;

    /// Opens a consumer's queue; at most `unacknowledged` of its messages are here at the same time.
    fn queue(
        &self,
        consumer: Consumer,
        unacknowledged: u16,
    ) -> impl Future<Output = Result<Self::Queue, BrokerError>> + Send;
}

/// Publishes events to all consumers.
pub(crate) trait Publisher: Send {
    /// Publishes events, and waits until the broker has confirmed or refused each.
    ///
    /// If it is dropped before its end, some may be published; they are published again.
    fn publish(&mut self, events: &[Outgoing]) -> impl Future<Output = Published> + Send;

    /// Publishes a message to one consumer again.
    fn hand_to(
        &mut self,
        consumer: &str,
        message_id: &str,
        payload: &[u8],
    ) -> impl Future<Output = Result<(), BrokerError>> + Send;
}

/// The events that the broker has.
#[derive(Debug, Default)]
pub(crate) struct Published {
    pub(crate) confirmed: Vec<i64>,
    pub(crate) error: Option<BrokerError>,
}

impl FromIterator<(i64, Result<(), BrokerError>)> for Published {
    fn from_iter<I: IntoIterator<Item = (i64, Result<(), BrokerError>)>>(told: I) -> Self {
        let mut published = Self::default();
        for (event, told) in told {
            match told {
                Ok(()) => published.confirmed.push(event),
                Err(error) => published.error = Some(error),
            }
        }
        published
    }
}

/// One consumer's messages.
pub(crate) trait Queue: Send + 'static {
    type Receipt: Receipt;

    /// Waits briefly for messages, and takes at most `most` of the available ones.
    ///
    /// Do not drop it before its end: messages on their way are then redelivered late.
    fn receive(
        &mut self,
        most: u16,
    ) -> impl Future<Output = Result<Vec<Delivery<Self::Receipt>>, BrokerError>> + Send;

    /// Sends what is still pending, such as the last acknowledgements.
    fn close(self) -> impl Future<Output = Result<(), BrokerError>> + Send;
}

/// A message as the broker delivers it.
#[derive(Debug)]
pub(crate) struct Delivery<R> {
    /// The same on every delivery of one message.
    pub(crate) message_id: Vec<u8>,
    pub(crate) payload: Vec<u8>,
    /// The broker's delivery count; 1 is the first.
    pub(crate) count: u32,
    /// Its place at the broker.
    pub(crate) reference: String,
    pub(crate) receipt: R,
}

/// The answer to a delivery. Without an answer the message is redelivered later.
pub(crate) trait Receipt: Send + Sync + 'static {
    fn ack(self) -> impl Future<Output = Result<(), BrokerError>> + Send;

    /// Asks for another delivery, not before `after`.
    fn retry(self, after: Duration) -> impl Future<Output = Result<(), BrokerError>> + Send;
}
