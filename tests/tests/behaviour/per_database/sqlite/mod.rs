//! SQLite: a file per test.

#[path = "../../admin/mod.rs"]
mod admin;
#[path = "../../faults/mod.rs"]
mod faults;
#[path = "../../http/mod.rs"]
mod http;
#[path = "../../inbox/mod.rs"]
mod inbox;
#[path = "../../layered/mod.rs"]
mod layered;
#[path = "../../rollout/mod.rs"]
mod rollout;
#[path = "../../support/mod.rs"]
mod support;

#[path = "../deferred_constraints.rs"]
mod deferred_constraints;
mod file_locks;
mod processes;
mod writer_queue;

use idem_axum::{Idempotency, IdempotencyBuilder};
use idem_tests::sqlite::{Db, INSERT_PAYMENT, TestDb, age_records, end_refusals};
use sqlx::Pool;

/// The handle that the tests of this folder begin with.
fn idem_on(pool: Pool<Db>) -> IdempotencyBuilder<Db> {
    Idempotency::builder(pool)
}

const RECORD: &str = "idem_record";
const TOMBSTONE: &str = "idem_tombstone";
const LETTER: &str = "idem_dead_letter";
const ROLLOUT: &str = "idem_rollout";
/// Statements that take the table of records away, and give it back.
const HIDE_RECORDS: [&str; 2] = [
    "alter table idem_record rename to hidden",
    "alter table hidden rename to idem_record",
];
const KEEPS_NO_RECORD: &str = "create trigger keeps_no_record before insert on idem_record \
    begin select raise(abort, 'refused'); end";
const KEEPS_NO_PAYLOAD: &str = "create trigger keeps_no_payload before insert \
    on idem_dead_letter when new.payload is not null \
    begin select raise(abort, 'too large'); end";
/// Commits the transaction behind Idem's back.
const COMMITS: &str = "commit";
/// Statements that lock the records, and unlock them.
const LOCK_RECORDS: [&str; 2] = ["begin immediate", "commit"];
/// Nobody can see who waits for the file's lock.
const WAITS_FOR_RECORDS: &str = "select true";
const KEY: &str = "key";
const ONE_WRITER: bool = true;
/// Whether handlers use named prepared statements, sqlx's default.
const IS_NAMED: bool = true;

const SCOPE_AND_KEY: &str = "scope, key";
const OF_SCOPE_AND_KEY: &str = "scope = $1 and key = $2";
const TEXT: &str = "text";

/// Statements that make a migration fail, and succeed again.
const OBSTACLE: [&str; 2] = [
    "alter table idem_record rename to kept; create view idem_record as select 1 as expires_at",
    "drop view idem_record",
];

const COPIED_SQL: &str = concat!(
    include_str!("../../../../../idem-core/migrations/sqlite/0001_record.sql"),
    include_str!("../../../../../idem-core/migrations/sqlite/0002_dead_letter.sql"),
    include_str!("../../../../../idem-core/migrations/sqlite/0003_rollout.sql"),
    include_str!("../../../../../idem-core/migrations/sqlite/0004_tombstone.sql")
);

/// Fails and ends the transaction; a handler may ignore the error.
const FAILS: &str = "insert or rollback into payment (id) values (2)";

/// SQLite has no connections to kill.
const KILL_OTHERS: [&str; 2] = ["select 1 where false", ""];

/// A handler with a `Tx` excludes every other writer until it ends.
const RACED: [&str; 1] = ["/outside"];

/// Statements that run until they are cancelled.
const ENDLESS: [&str; 2] = [
    "with recursive n (n) as (select 1 union all select n + 1 from n) select max(n) from n",
    "insert into payment (tenant, amount, reference) \
        with recursive n (n) as (select 1 union all select n + 1 from n) \
        select 'acme', max(n), '-' from n",
];
