//! The intake: takes a consumer's messages from the broker, and answers each when it is handled.

use std::sync::Arc;
use std::time::Duration;

use idem_axum::{Inbox, Settlement};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::back_off::BackOff;
use crate::broker::{Broker, BrokerError, Delivery, Queue, Receipt};
use crate::consumer::Consumer;
use crate::database::Db;
use crate::inbox;

/// One consumer's intake.
#[derive(Clone, Debug)]
pub(crate) struct Intake {
    pub(crate) inbox: Inbox<Db>,
    pub(crate) consumer: Consumer,
    /// How many messages are handled in one transaction.
    pub(crate) batch: u16,
    /// One for each message or batch that may be handled concurrently.
    pub(crate) slots: Arc<Semaphore>,
    pub(crate) running: TaskTracker,
    pub(crate) stop: CancellationToken,
    /// Becomes true when it first takes messages.
    pub(crate) is_ready: watch::Sender<bool>,
}

impl Intake {
    /// Runs until the stop and the last answer, even if the broker or the database goes away.
    pub(crate) async fn run<B: Broker>(self, broker: B) {
        let mut back_off = BackOff::new();
        while !self.stop.is_cancelled() {
            let taken = async {
                let queue = broker.queue(self.consumer, self.unacknowledged()).await?;
                self.is_ready.send_replace(true);
                self.take_from(queue, &mut back_off).await
            };
            if let Err(error) = taken.await {
                tracing::warn!(consumer = %self.consumer, error, "no messages for now");
                back_off.pause(&self.stop).await;
            }
        }
        self.running.close();
        self.running.wait().await;
    }

    /// More than are handled concurrently: messages that wait for a retry count too.
    fn unacknowledged(&self) -> u16 {
        self.batch.saturating_mul(64)
    }

    async fn take_from<Q: Queue>(
        &self,
        mut queue: Q,
        back_off: &mut BackOff,
    ) -> Result<(), BrokerError> {
        while let Some(slot) = self.free_slot().await {
            let most = match self.batch {
                1 => 1 + self.slots.available_permits().try_into().unwrap_or(0),
                batch => batch,
            };
            let deliveries = queue.receive(most).await?;
            back_off.reset();
            self.handle(deliveries, slot);
        }
        self.running.close();
        self.running.wait().await;
        queue.close().await
    }

    /// Waits for a free slot; returns none after the stop.
    async fn free_slot(&self) -> Option<OwnedSemaphorePermit> {
        let free = Arc::clone(&self.slots).acquire_owned();
        self.stop.run_until_cancelled(free).await?.ok()
    }

    /// Handles messages on tasks: each message has a slot, or a batch has one.
    fn handle<R: Receipt>(&self, deliveries: Vec<Delivery<R>>, slot: OwnedSemaphorePermit) {
        if self.batch > 1 {
            let intake = self.clone();
            self.running.spawn(async move {
                intake.handle_batch(deliveries).await;
                drop(slot);
            });
            return;
        }
        let mut slot = Some(slot);
        for delivery in deliveries {
            // Nobody else takes slots, so the counted ones are still free.
            let slot = slot
                .take()
                .or_else(|| Arc::clone(&self.slots).try_acquire_owned().ok());
            let intake = self.clone();
            self.running.spawn(async move {
                let settlement = inbox::handle(&intake.inbox, intake.consumer, &delivery).await;
                answer(delivery.receipt, settlement).await;
                drop(slot);
            });
        }
    }

    async fn handle_batch<R: Receipt>(&self, deliveries: Vec<Delivery<R>>) {
        if deliveries.is_empty() {
            return;
        }
        let settlements = inbox::handle_batch(&self.inbox, self.consumer, &deliveries).await;
        let settlements = settlements.unwrap_or_else(|error| {
            tracing::warn!(consumer = %self.consumer, error, "a batch will be redelivered");
            vec![Settlement::Retry { after: A_MOMENT }; deliveries.len()]
        });
        for (delivery, settlement) in deliveries.into_iter().zip(settlements) {
            answer(delivery.receipt, settlement).await;
        }
    }
}

/// Tells the broker the result. If that is lost, the message is redelivered as a duplicate.
async fn answer(receipt: impl Receipt, settlement: Settlement) {
    let answered = match settlement {
        Settlement::Ack => receipt.ack().await,
        Settlement::Retry { after } => receipt.retry(after).await,
    };
    if let Err(error) = answered {
        tracing::warn!(error, "the broker got no answer and will redeliver");
    }
}

const A_MOMENT: Duration = Duration::from_secs(1);
