//! The outbox: events that commit with their payment.

use idem_axum::Tx;
use sqlx::QueryBuilder;

use crate::database::Db;
use crate::event::Event;

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
