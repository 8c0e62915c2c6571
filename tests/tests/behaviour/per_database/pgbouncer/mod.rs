//! Postgres behind PgBouncer in transaction mode, with fewer connections than its clients have.

#[path = "../../inbox/batches.rs"]
mod batches;
#[path = "../../http/concurrency.rs"]
mod concurrency;
#[path = "../../inbox/delivery.rs"]
mod delivery;
#[path = "../../http/model.rs"]
mod model;
#[path = "../../faults/running_statement.rs"]
mod running_statement;
#[path = "../../support/mod.rs"]
mod support;

mod pooler;
mod pooler_work;

use idem_axum::{Idempotency, IdempotencyBuilder};
use idem_tests::pgbouncer::{Db, INSERT_PAYMENT, TestDb, age_records};
use sqlx::Pool;

/// The handle that the tests of this folder begin with.
fn idem_on(pool: Pool<Db>) -> IdempotencyBuilder<Db> {
    Idempotency::builder(pool)
}

const RECORD: &str = "idem.record";
const COMMITS: &str = "commit";
const FAILS: &str = "insert into payment (tenant) values (null)";
const ONE_WRITER: bool = false;
/// A statement's name exists on only one of the pooler's connections.
const IS_NAMED: bool = false;
const SCOPE_AND_KEY: &str = "scope, key";
const OF_SCOPE_AND_KEY: &str = "scope = $1 and key = $2";
/// Statements that run until they are cancelled.
const ENDLESS: [&str; 1] = ["select pg_sleep(600)"];
