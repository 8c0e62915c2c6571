//! The command that counts payments, their events, and what those events did twice.

use std::error::Error;
use std::io::{self, Write};

use sqlx::Pool;

use crate::database::Db;

/// Prints a line for each count.
pub(crate) async fn print(pool: &Pool<Db>) -> Result<(), Box<dyn Error + Send + Sync>> {
    for (name, count) in COUNTS {
        let count: i64 = sqlx::query_scalar(count).fetch_one(pool).await?;
        writeln!(io::stdout(), "{name:<28}{count:>8}")?;
    }
    Ok(())
}

const COUNTS: [(&str, &str); 8] = [
    ("payments", "select count(*) from payment"),
    ("refunds", "select count(*) from refund"),
    ("events in the outbox", "select count(*) from event"),
    (
        "events in the ledger",
        "select count(distinct message_id) from ledger_entry",
    ),
    (
        "  booked twice",
        "select count(*) from \
         (select message_id from ledger_entry group by message_id having count(*) <> 2) as wrong",
    ),
    (
        "  whose sum is not zero",
        "select count(*) from \
         (select message_id from ledger_entry group by message_id having sum(amount) <> 0) as wrong",
    ),
    (
        "events with a receipt",
        "select count(distinct message_id) from receipt",
    ),
    (
        "  with two",
        "select count(*) from \
         (select message_id from receipt group by message_id having count(*) <> 1) as wrong",
    ),
];
