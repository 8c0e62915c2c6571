//! The same tests of requests where the statements of an attempt are in the messages of BEGIN and COMMIT.

// What is not replaced below is Citus's.
use super::*;

#[path = "../../../faults/mod.rs"]
mod faults;
#[path = "../../../http/mod.rs"]
mod http;
#[path = "../../../support/mod.rs"]
mod support;

#[path = "../ended_transactions.rs"]
mod ended_transactions;
#[path = "../../servers/invisible_record.rs"]
mod invisible_record;
#[path = "../../servers/lost_commit.rs"]
mod lost_commit;
#[path = "../../servers/nodes.rs"]
mod nodes;
#[path = "shards.rs"]
mod shards;

fn idem_on(pool: Pool<Db>) -> IdempotencyBuilder<Db> {
    Idempotency::builder(pool).merge_messages(true)
}

const ASKS: &str = "select idem";
