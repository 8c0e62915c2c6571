//! The relay: hands the events of the outbox to the broker, each at least once.

use std::time::Duration;

use sqlx::Pool;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::back_off::BackOff;
use crate::broker::{Broker, BrokerError, Published, Publisher};
use crate::database::Db;
use crate::outbox::{self, Outgoing};

/// Runs until the stop, whatever goes away meanwhile.
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
/// Relays that do so at once take different events: each holds the rows it has read until its
/// transaction ends. The rows of a relay that dies are free again, published or not.
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
/// SQLite locks no rows, and the lock on the file must not be held while a broker is waited for.
/// So relays that do this at once publish events twice, and the inbox tells them apart.
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

/// How long a broker's confirmations are waited for.
const PATIENCE: Duration = Duration::from_secs(10);
