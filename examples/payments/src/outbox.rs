//! The outbox: events that commit with their payment, and leave when the broker has them.

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

/// Writes an event in the transaction of what it tells, so that neither is there alone.
///
/// It is named by the attempt, and not by the client's key: a key may be used again after its
/// ttl, for another payment. The name is in the record too, and no retry makes another one.
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

/// Whether there is nothing to hand over; a look takes no lock.
pub(crate) async fn is_empty(pool: &Pool<Db>) -> sqlx::Result<bool> {
    let found: Option<i64> = sqlx::query_scalar("select id from event limit 1")
        .fetch_optional(pool)
        .await?;
    Ok(found.is_none())
}

/// The oldest events. Where rows can be locked, those that another relay holds are passed over.
pub(crate) async fn oldest(conn: &mut Connection) -> sqlx::Result<Vec<Outgoing>> {
    sqlx::query_as(OLDEST).fetch_all(conn).await
}

/// Forgets events that the broker has.
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
