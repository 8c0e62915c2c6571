//! The receipts: one text for the payer per event.

use sqlx::QueryBuilder;

use crate::database::{Connection, Db};
use crate::event::{Event, Kind};

/// Writes the receipt of an event.
pub(crate) async fn write(
    conn: &mut Connection,
    message_id: &str,
    event: &Event,
) -> sqlx::Result<()> {
    let done = match event.kind {
        Kind::Captured => "charged",
        Kind::Refunded => "refunded",
    };
    // Good enough: most currencies have hundredths.
    let (whole, rest) = (event.amount / 100, event.amount % 100);
    let text = format!("{done} {whole}.{rest:02} {}", event.currency);
    QueryBuilder::<Db>::new("insert into receipt (message_id, tenant, payment_id, text) ")
        .push_values([text], |mut row, text| {
            row.push_bind(message_id)
                .push_bind(event.tenant.as_str())
                .push_bind(event.payment)
                .push_bind(text);
        })
        .build()
        .execute(conn)
        .await?;
    Ok(())
}
