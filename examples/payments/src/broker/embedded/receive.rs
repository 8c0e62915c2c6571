//! How visible rows are received: MySQL cannot update rows and return them in one statement.

use std::time::Duration;

use sqlx::{Pool, QueryBuilder};

use crate::database::Db;
use crate::sql::NOW;

/// A row, and how often it has been received.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct Received {
    pub(super) id: i64,
    pub(super) message_id: String,
    pub(super) payload: Vec<u8>,
    pub(super) deliveries: i64,
}

pub(super) fn millis(duration: Duration) -> i64 {
    duration.as_millis().try_into().unwrap_or(i64::MAX / 2)
}

/// Takes visible rows, and hides them while their acknowledgement is pending.
#[cfg(not(all(feature = "mysql", not(feature = "postgres"))))]
pub(super) async fn receive(
    pool: &Pool<Db>,
    consumer: &str,
    ack_wait: Duration,
    most: u16,
) -> sqlx::Result<Vec<Received>> {
    QueryBuilder::<Db>::new("with visible as (select id from queue_message where consumer = ")
        .push_bind(consumer)
        .push(" and visible_at <= ")
        .push(NOW)
        .push(" order by visible_at, id limit ")
        .push_bind(i64::from(most))
        .push(PASSING_OVER_LOCKED)
        .push(") update queue_message set deliveries = deliveries + 1, visible_at = ")
        .push(NOW)
        .push(" + ")
        .push_bind(millis(ack_wait))
        .push(" where id in (select id from visible) returning id, message_id, payload, deliveries")
        .build_query_as()
        .fetch_all(pool)
        .await
}

/// Takes visible rows, and hides them while their acknowledgement is pending.
#[cfg(all(feature = "mysql", not(feature = "postgres")))]
pub(super) async fn receive(
    pool: &Pool<Db>,
    consumer: &str,
    ack_wait: Duration,
    most: u16,
) -> sqlx::Result<Vec<Received>> {
    let mut conn = pool.acquire().await?;
    let mut tx = crate::database::begin(&mut conn).await?;
    let rows: Vec<Received> = QueryBuilder::<Db>::new(
        "select id, message_id, payload, deliveries + 1 as deliveries from queue_message \
         where consumer = ",
    )
    .push_bind(consumer)
    .push(" and visible_at <= ")
    .push(NOW)
    .push(" order by visible_at, id limit ")
    .push_bind(i64::from(most))
    .push(PASSING_OVER_LOCKED)
    .build_query_as()
    .fetch_all(&mut *tx)
    .await?;
    if !rows.is_empty() {
        hide(&mut tx, &rows, ack_wait).await?;
    }
    tx.commit().await?;
    Ok(rows)
}

#[cfg(all(feature = "mysql", not(feature = "postgres")))]
async fn hide(
    conn: &mut crate::database::Connection,
    rows: &[Received],
    ack_wait: Duration,
) -> sqlx::Result<()> {
    let mut hide = QueryBuilder::<Db>::new(
        "update queue_message set deliveries = deliveries + 1, visible_at = ",
    );
    hide.push(NOW).push(" + ").push_bind(millis(ack_wait));
    hide.push(" where id in (");
    let mut list = hide.separated(", ");
    for row in rows {
        list.push_bind(row.id);
    }
    list.push_unseparated(")");
    hide.build().execute(conn).await?;
    Ok(())
}

#[cfg(any(feature = "postgres", feature = "mysql"))]
const PASSING_OVER_LOCKED: &str = " for update skip locked";

// SQLite admits one writer.
#[cfg(not(any(feature = "postgres", feature = "mysql")))]
const PASSING_OVER_LOCKED: &str = "";
