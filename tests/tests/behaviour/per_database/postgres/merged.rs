//! The same tests of requests where the statements of an attempt are in the messages of BEGIN and COMMIT.

// What is not replaced below is Postgres's.
use super::*;

#[path = "../../faults/mod.rs"]
mod faults;
#[path = "../../http/mod.rs"]
mod http;
#[path = "../../support/mod.rs"]
mod support;

#[path = "../deferred_constraints.rs"]
mod deferred_constraints;
#[path = "ended_transactions.rs"]
mod ended_transactions;
#[path = "../servers/mod.rs"]
mod servers;
#[path = "transaction_ids.rs"]
mod transaction_ids;

fn idem_on(pool: Pool<Db>) -> IdempotencyBuilder<Db> {
    Idempotency::builder(pool).merge_messages(true)
}

const MORE_MESSAGES: usize = 1;
const MORE_TEXTS: usize = 1;
/// The one message more is a ROLLBACK in the packet with the pool's ping.
const MORE_UNTIL_COMMIT: usize = 0;
const LOGS_REFUSALS: bool = true;
const ASKS: &str = "select idem";
/// The terminal record is stored in the other form.
const STORES_TERMINAL: (usize, &str) = (2, STORES.1);
