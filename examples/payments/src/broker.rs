//! What the worker asks of a broker: to take events, and to deliver each until it is acknowledged.

use std::error::Error;
use std::time::Duration;

use crate::consumer::Consumer;
use crate::outbox::Outgoing;

pub(crate) mod embedded;
#[cfg(feature = "nats")]
pub(crate) mod nats;
#[cfg(feature = "rabbitmq")]
pub(crate) mod rabbitmq;

/// Anything that keeps the worker from the broker; it is tried again.
pub(crate) type BrokerError = Box<dyn Error + Send + Sync>;

/// A broker by its address.
///
/// Both ways to it make what they need there: streams, exchanges, queues. After an error they are
/// dropped and made anew.
pub(crate) trait Broker: Clone + Send + Sync + 'static {
    type Publisher: Publisher;
    type Queue: Queue;

    fn publisher(&self) -> impl Future<Output = Result<Self::Publisher, BrokerError>> + Send;

    /// Opens a consumer's queue; at most `unacknowledged` of its messages are here at once.
    fn queue(
        &self,
        consumer: Consumer,
        unacknowledged: u16,
    ) -> impl Future<Output = Result<Self::Queue, BrokerError>> + Send;
}

/// The way of events to all consumers.
pub(crate) trait Publisher: Send {
    /// Publishes events, and waits until the broker has confirmed or refused each.
    ///
    /// Dropped in the middle, some may be published; they are published again.
    fn publish(&mut self, events: &[Outgoing]) -> impl Future<Output = Published> + Send;

    /// Hands a message to one consumer once more.
    fn hand_to(
        &mut self,
        consumer: &str,
        message_id: &str,
        payload: &[u8],
    ) -> impl Future<Output = Result<(), BrokerError>> + Send;
}

/// Which events the broker has.
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

    /// Waits a moment for messages, and takes at most `most` of those that are there.
    ///
    /// Not to be dropped in the middle: what is on its way then comes again, but late.
    fn receive(
        &mut self,
        most: u16,
    ) -> impl Future<Output = Result<Vec<Delivery<Self::Receipt>>, BrokerError>> + Send;

    /// Sends what is still to be sent, such as the last acknowledgements.
    fn close(self) -> impl Future<Output = Result<(), BrokerError>> + Send;
}

/// A message as the broker delivers it.
#[derive(Debug)]
pub(crate) struct Delivery<R> {
    /// The same on every delivery of one message.
    pub(crate) message_id: Vec<u8>,
    pub(crate) payload: Vec<u8>,
    /// How often the broker has delivered it, this time included.
    pub(crate) count: u32,
    /// Where the broker keeps it.
    pub(crate) reference: String,
    pub(crate) receipt: R,
}

/// The answer to a delivery. Dropped without one, the message is delivered again in time.
pub(crate) trait Receipt: Send + Sync + 'static {
    fn ack(self) -> impl Future<Output = Result<(), BrokerError>> + Send;

    /// Asks for another delivery, not before `after`.
    fn retry(self, after: Duration) -> impl Future<Output = Result<(), BrokerError>> + Send;
}
