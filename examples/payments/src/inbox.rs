//! The inbox in use: a message takes effect once, handled alone or with the others of its poll.

use std::error::Error;
use std::fmt;

use idem_axum::{ConsumerPolicy, Idempotency, Inbox, Message, ProcessError, Processed, Settlement};

use crate::broker::Delivery;
use crate::consumer::Consumer;
use crate::database::Db;

/// An inbox whose two consumers have the same policy.
pub(crate) fn build(
    idem: Idempotency<Db>,
    policy: ConsumerPolicy,
) -> Result<Inbox<Db>, Box<dyn Error + Send + Sync>> {
    let mut inbox = Inbox::builder(idem);
    for consumer in Consumer::ALL {
        inbox = inbox.consumer(consumer.name(), policy);
    }
    Ok(inbox.build()?)
}

/// Handles one message, and returns what to tell the broker.
///
/// The consumer's writes commit in one transaction with the record of the message.
pub(crate) async fn handle<R>(
    inbox: &Inbox<Db>,
    consumer: Consumer,
    delivery: &Delivery<R>,
) -> Settlement {
    let (id, payload) = (&delivery.message_id, &delivery.payload);
    let done = inbox
        .process(consumer.name(), message(delivery), async |tx| {
            consumer.handle(tx, id, payload).await
        })
        .await;
    log(consumer, id, &done);
    Settlement::of(&done)
}

/// Handles the messages of one poll together, and returns what to tell the broker for each.
///
/// A failed message is rolled back alone; the others commit in one transaction. An error means that
/// the store failed and no message did: acknowledge none, and each is redelivered.
pub(crate) async fn handle_batch<R>(
    inbox: &Inbox<Db>,
    consumer: Consumer,
    deliveries: &[Delivery<R>],
) -> Result<Vec<Settlement>, Box<dyn Error + Send + Sync>> {
    let mut batch = inbox.process_batch(consumer.name(), deliveries.iter().map(message))?;
    while let Some(mut message) = batch.next().await? {
        let delivery = &deliveries[message.index()];
        let (id, payload) = (&delivery.message_id, &delivery.payload);
        match consumer.handle(&mut message.tx(), id, payload).await {
            Ok(()) => message.done(),
            Err(error) => message.fail(error).await?,
        }
    }
    let outcomes = batch.finish().await?;
    for (delivery, outcome) in deliveries.iter().zip(&outcomes) {
        let id = String::from_utf8_lossy(&delivery.message_id);
        tracing::info!(%consumer, %id, ?outcome, "settled in a batch");
    }
    let outcomes = outcomes.into_iter();
    Ok(outcomes.map(|outcome| outcome.settlement()).collect())
}

/// The delivery as the inbox takes it.
fn message<R>(delivery: &Delivery<R>) -> Message<'_> {
    Message::new(&delivery.message_id)
        .payload(&delivery.payload)
        .reference(&delivery.reference)
        .delivery(delivery.count.into())
}

fn log<E: fmt::Display>(
    consumer: Consumer,
    id: &[u8],
    done: &Result<Processed<()>, ProcessError<E>>,
) {
    let id = String::from_utf8_lossy(id);
    match done {
        Ok(Processed::First(())) => tracing::info!(%consumer, %id, "handled"),
        Ok(Processed::Duplicate) => tracing::info!(%consumer, %id, "handled before"),
        Ok(Processed::InFlight) => tracing::info!(%consumer, %id, "handled by another just now"),
        Ok(Processed::Parked) => tracing::info!(%consumer, %id, "parked before"),
        Err(ProcessError::Failed {
            failure,
            attempts,
            is_parked,
        }) => tracing::warn!(%consumer, %id, %failure, attempts, is_parked, "failed"),
        Err(ProcessError::Store(error)) => tracing::warn!(%consumer, %id, %error, "not handled"),
        Err(ProcessError::Reused { .. }) => tracing::warn!(%consumer, %id, "reused by another"),
        Err(_) => tracing::warn!(%consumer, %id, "not known by its id"),
    }
}
