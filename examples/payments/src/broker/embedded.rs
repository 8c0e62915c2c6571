//! The embedded broker: a table in the same database.

use std::time::Duration;

use sqlx::{Pool, QueryBuilder};
use tokio::time::sleep;

use super::{Broker, BrokerError, Delivery, Published, Publisher, Queue, Receipt};
use crate::consumer::Consumer;
use crate::database::Db;
use crate::outbox::Outgoing;
use crate::sql::NOW;

use self::receive::{Received, millis, receive};

mod receive;

/// The table `queue_message`, which has a row per consumer and message.
#[derive(Clone, Debug)]
pub(crate) struct Embedded {
    pub(crate) pool: Pool<Db>,
    pub(crate) ack_wait: Duration,
}

impl Broker for Embedded {
    type Publisher = Pool<Db>;
    type Queue = EmbeddedQueue;

    async fn publisher(&self) -> Result<Self::Publisher, BrokerError> {
        Ok(self.pool.clone())
    }

    async fn queue(&self, consumer: Consumer, _: u16) -> Result<EmbeddedQueue, BrokerError> {
        Ok(EmbeddedQueue {
            broker: self.clone(),
            consumer,
        })
    }
}

impl Publisher for Pool<Db> {
    async fn publish(&mut self, events: &[Outgoing]) -> Published {
        let rows = events.iter().flat_map(|event| {
            let payload = event.payload.as_bytes();
            Consumer::ALL.map(|consumer| (consumer.name(), event.message_id.as_str(), payload))
        });
        match insert(self, rows).await {
            Ok(()) => events.iter().map(|event| (event.id, Ok(()))).collect(),
            Err(error) => Published {
                error: Some(error),
                ..Published::default()
            },
        }
    }

    async fn hand_to(
        &mut self,
        consumer: &str,
        message_id: &str,
        payload: &[u8],
    ) -> Result<(), BrokerError> {
        insert(self, [(consumer, message_id, payload)]).await
    }
}

async fn insert<'r>(
    pool: &Pool<Db>,
    rows: impl IntoIterator<Item = (&'r str, &'r str, &'r [u8])>,
) -> Result<(), BrokerError> {
    QueryBuilder::<Db>::new("insert into queue_message (consumer, message_id, payload) ")
        .push_values(rows, |mut row, (consumer, message_id, payload)| {
            row.push_bind(consumer)
                .push_bind(message_id)
                .push_bind(payload);
        })
        .build()
        .execute(pool)
        .await?;
    Ok(())
}

/// The rows of one consumer.
#[derive(Debug)]
pub(crate) struct EmbeddedQueue {
    broker: Embedded,
    consumer: Consumer,
}

impl Queue for EmbeddedQueue {
    type Receipt = Row;

    async fn receive(&mut self, most: u16) -> Result<Vec<Delivery<Row>>, BrokerError> {
        let Embedded { pool, ack_wait } = &self.broker;
        // Looking needs no lock: an idle worker blocks no writer.
        if !self.has_any().await? {
            sleep(POLL).await;
            return Ok(Vec::new());
        }
        let mut rows = receive(pool, self.consumer.name(), *ack_wait, most).await?;
        rows.sort_by_key(|row| row.id);
        Ok(rows.into_iter().map(|row| self.delivery(row)).collect())
    }

    async fn close(self) -> Result<(), BrokerError> {
        Ok(())
    }
}

impl EmbeddedQueue {
    async fn has_any(&self) -> sqlx::Result<bool> {
        let found: Option<i64> =
            QueryBuilder::<Db>::new("select id from queue_message where consumer = ")
                .push_bind(self.consumer.name())
                .push(" and visible_at <= ")
                .push(NOW)
                .push(" limit 1")
                .build_query_scalar()
                .fetch_optional(&self.broker.pool)
                .await?;
        Ok(found.is_some())
    }

    fn delivery(&self, row: Received) -> Delivery<Row> {
        Delivery {
            message_id: row.message_id.into_bytes(),
            payload: row.payload,
            count: row.deliveries.try_into().unwrap_or(u32::MAX),
            reference: format!("queue_message:{}", row.id),
            receipt: Row {
                pool: self.broker.pool.clone(),
                id: row.id,
                deliveries: row.deliveries,
            },
        }
    }
}

/// The receipt of a received row, valid until the row is received again.
#[derive(Debug)]
pub(crate) struct Row {
    pool: Pool<Db>,
    id: i64,
    deliveries: i64,
}

impl Receipt for Row {
    async fn ack(self) -> Result<(), BrokerError> {
        self.answer(QueryBuilder::new("delete from queue_message"))
            .await
    }

    async fn retry(self, after: Duration) -> Result<(), BrokerError> {
        let mut update = QueryBuilder::new("update queue_message set visible_at = ");
        update.push(NOW).push(" + ").push_bind(millis(after));
        self.answer(update).await
    }
}

impl Row {
    /// Changes the row, unless it was received again and belongs to another receipt.
    async fn answer(self, mut statement: QueryBuilder<Db>) -> Result<(), BrokerError> {
        statement
            .push(" where id = ")
            .push_bind(self.id)
            .push(" and deliveries = ")
            .push_bind(self.deliveries)
            .build()
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}

const POLL: Duration = Duration::from_millis(50);
