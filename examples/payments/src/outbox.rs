//! The outbox: events that commit with their payment, and are deleted once the broker has them.

use idem_axum::Tx;
use sqlx::{Pool, QueryBuilder};

use crate::database::{Connection, Db};
use crate::event::Event;

/// An event on its way to the broker.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct Outgoing {
    pub(crate) id: i64,
    pub(crate) message_id: String,
    pub(crate) kind: String,
    pub(crate) payload: String,
}

/// Writes an event in its payment's transaction, so that neither exists without the other.
///
/// Its id is the attempt's, not the client's key: after its ttl a key may name another payment.
/// The record contains the id too, and no retry makes another one.
pub(crate) async fn write(tx: &mut Tx<'_, Db>, event: &Event) -> sqlx::Result<()> {
    let payload =
        serde_json::to_string(event).map_err(|error| sqlx::Error::Encode(error.into()))?;
    let message_id = tx.attempt_id();
    QueryBuilder::<Db>::new("insert into event (message_id, tenant, kind, payload) ")
        .push_values([event], |mut row, event| {
            row.push_bind(message_id.as_str())
                .push_bind(event.tenant.as_str())
                .push_bind(event.kind.to_string())
                .push_bind(payload.as_str());
        })
        .build()
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Whether the outbox is empty; checking takes no lock.
pub(crate) async fn is_empty(pool: &Pool<Db>) -> sqlx::Result<bool> {
    let found: Option<i64> = sqlx::query_scalar("select id from event limit 1")
        .fetch_optional(pool)
        .await?;
    Ok(found.is_none())
}

/// The oldest events. With row locks, events that another relay holds are skipped.
pub(crate) async fn oldest(conn: &mut Connection) -> sqlx::Result<Vec<Outgoing>> {
    sqlx::query_as(OLDEST).fetch_all(conn).await
}

/// Deletes events that the broker has.
pub(crate) async fn delete(conn: &mut Connection, ids: &[i64]) -> sqlx::Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    let mut delete = QueryBuilder::<Db>::new("delete from event where id in (");
    let mut list = delete.separated(", ");
    for id in ids {
        list.push_bind(*id);
    }
    list.push_unseparated(")");
    delete.build().execute(conn).await?;
    Ok(())
}

#[cfg(any(feature = "postgres", feature = "mysql"))]
const OLDEST: &str =
    "select id, message_id, kind, payload from event order by id limit 100 for update skip locked";

#[cfg(not(any(feature = "postgres", feature = "mysql")))]
const OLDEST: &str = "select id, message_id, kind, payload from event order by id limit 100";
