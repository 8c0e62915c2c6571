//! The ledger: each event moves its amount from one account to another.

use sqlx::QueryBuilder;

use crate::database::{Connection, Db};
use crate::event::{Event, Kind};

/// Books an event: two entries whose sum is zero.
pub(crate) async fn book(
    conn: &mut Connection,
    message_id: &str,
    event: &Event,
) -> sqlx::Result<()> {
    let (debit, credit) = match event.kind {
        Kind::Captured => ("cash", "sales"),
        Kind::Refunded => ("sales", "cash"),
    };
    QueryBuilder::<Db>::new(
        "insert into ledger_entry (message_id, tenant, payment_id, account, amount, currency) ",
    )
    .push_values(
        [(debit, event.amount), (credit, -event.amount)],
        |mut row, (account, amount)| {
            row.push_bind(message_id)
                .push_bind(event.tenant.as_str())
                .push_bind(event.payment)
                .push_bind(account)
                .push_bind(amount)
                .push_bind(event.currency.as_str());
        },
    )
    .build()
    .execute(conn)
    .await?;
    Ok(())
}
