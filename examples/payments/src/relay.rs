//! The relay: publishes the events of the outbox, each at least once.

use std::time::Duration;

use sqlx::Pool;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::back_off::BackOff;
use crate::broker::{Broker, BrokerError, Published, Publisher};
use crate::database::Db;
use crate::outbox::{self, Outgoing};

/// Runs until the stop, even if the broker or the database goes away.
pub(crate) async fn run<B: Broker>(broker: B, pool: Pool<Db>, stop: CancellationToken) {
    let mut back_off = BackOff::new();
    while !stop.is_cancelled() {
        if let Err(error) = relay(&broker, &pool, &stop, &mut back_off).await {
            tracing::warn!(error, "events stay in the outbox for now");
            back_off.pause(&stop).await;
        }
    }
}

async fn relay<B: Broker>(
    broker: &B,
    pool: &Pool<Db>,
    stop: &CancellationToken,
    back_off: &mut BackOff,
) -> Result<(), BrokerError> {
    let mut publisher = broker.publisher().await?;
    while !stop.is_cancelled() {
        if outbox::is_empty(pool).await? {
            stop.run_until_cancelled(sleep(POLL)).await;
            continue;
        }
        let published = forward(pool, &mut publisher).await?;
        if let Some(error) = published.error {
            return Err(error);
        }
        back_off.reset();
    }
    Ok(())
}

/// Publishes the oldest events, and deletes those that the broker has confirmed.
///
/// Concurrent relays take different events: each locks the rows it has read until its
/// transaction ends. If a relay dies, its rows are unlocked, published or not.
#[cfg(any(feature = "postgres", feature = "mysql"))]
async fn forward(
    pool: &Pool<Db>,
    publisher: &mut impl Publisher,
) -> Result<Published, BrokerError> {
    let mut conn = pool.acquire().await?;
    let mut tx = crate::database::begin(&mut conn).await?;
    let events = outbox::oldest(&mut tx).await?;
    let published = publish(publisher, &events).await?;
    outbox::delete(&mut tx, &published.confirmed).await?;
    tx.commit().await?;
    Ok(published)
}

/// Publishes the oldest events, and deletes those that the broker has confirmed.
///
/// SQLite has no row locks, and the file lock must not be held while waiting for a broker.
/// So concurrent relays publish some events twice, and the inbox recognises the duplicates.
#[cfg(not(any(feature = "postgres", feature = "mysql")))]
async fn forward(
    pool: &Pool<Db>,
    publisher: &mut impl Publisher,
) -> Result<Published, BrokerError> {
    let mut conn = pool.acquire().await?;
    let events = outbox::oldest(&mut conn).await?;
    let published = publish(publisher, &events).await?;
    outbox::delete(&mut conn, &published.confirmed).await?;
    Ok(published)
}

async fn publish(
    publisher: &mut impl Publisher,
    events: &[Outgoing],
) -> Result<Published, BrokerError> {
    if events.is_empty() {
        return Ok(Published::default());
    }
    for event in events {
        tracing::debug!(id = event.message_id, event.kind, "publishing");
    }
    Ok(timeout(PATIENCE, publisher.publish(events)).await?)
}

const POLL: Duration = Duration::from_millis(50);

/// How long to wait for a broker's confirmations.
const PATIENCE: Duration = Duration::from_secs(10);
