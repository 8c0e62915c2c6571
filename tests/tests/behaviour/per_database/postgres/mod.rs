//! Postgres: a database per test.

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

#[cfg(idem_citus)]
#[path = "citus/mod.rs"]
mod citus;
mod collisions;
mod deallocated_statements;
#[path = "../deferred_constraints.rs"]
mod deferred_constraints;
mod ended_transactions;
mod failover;
mod gate;
mod inbox_settings;
mod isolation;
mod late_retries;
mod locks;
mod merged;
mod partitions;
mod probe_plan;
mod reset_all;
#[path = "../servers/mod.rs"]
mod servers;
mod session;
mod stale_snapshot;
mod step_function;
mod transaction_ids;
mod unclear_commit;

use idem_axum::{Idempotency, IdempotencyBuilder};
use idem_tests::postgres::{Db, INSERT_PAYMENT, TestDb, age_records, end_refusals, pool_at};
use sqlx::Pool;

/// The handle that the tests of this folder begin with.
fn idem_on(pool: Pool<Db>) -> IdempotencyBuilder<Db> {
    Idempotency::builder(pool)
}

/// Whether the server's log has the statements of attempts that are refused.
const LOGS_REFUSALS: bool = false;
const RECORD: &str = "idem.record";
const TOMBSTONE: &str = "idem.tombstone";
const LETTER: &str = "idem.dead_letter";
const ROLLOUT: &str = "idem.rollout";
/// Statements that take the table of records away, and give it back.
const HIDE_RECORDS: [&str; 2] = [
    "alter table idem.record rename to hidden",
    "alter table idem.hidden rename to record",
];
const KEEPS_NO_RECORD: &str = "alter table idem.record add check (status = 0)";
const KEEPS_NO_PAYLOAD: &str = "alter table idem.dead_letter add check (payload is null)";
/// Commits the transaction behind Idem's back.
const COMMITS: &str = "commit";
/// Statements that lock the records, and unlock them.
const LOCK_RECORDS: [&str; 2] = [
    "begin; lock table idem.record in access exclusive mode",
    "commit",
];
/// Whether an attempt waits for them.
const WAITS_FOR_RECORDS: &str =
    "select exists(select from pg_locks where relation = 'idem.record'::regclass and not granted)";
const KEY: &str = "key";
const ONE_WRITER: bool = false;
const IS_NAMED: bool = true;

const SCOPE_AND_KEY: &str = "scope, key";
const OF_SCOPE_AND_KEY: &str = "scope = $1 and key = $2";
const TEXT: &str = "text";

/// Statements that make a migration fail, and succeed again.
const OBSTACLE: [&str; 2] = [
    "alter table idem.record rename to kept; create view idem.record as select 1 as expires_at",
    "drop view idem.record",
];

const COPIED_SQL: &str = concat!(
    include_str!("../../../../../idem-core/migrations/postgres/0001_record.sql"),
    include_str!("../../../../../idem-core/migrations/postgres/0002_dead_letter.sql"),
    include_str!("../../../../../idem-core/migrations/postgres/0003_rollout.sql"),
    include_str!("../../../../../idem-core/migrations/postgres/0004_step.sql"),
    include_str!("../../../../../idem-core/migrations/postgres/0005_tombstone.sql")
);

/// Fails and aborts the transaction; a handler may ignore the error.
const FAILS: &str = "insert into payment (tenant) values (null)";

/// Where another transaction can insert a record while the handler runs.
const RACED: [&str; 2] = ["/gate", "/outside"];

/// Statements that run until they are cancelled.
const ENDLESS: [&str; 3] = [
    "select pg_sleep(600)",
    "insert into payment (tenant, amount, reference) select 'acme', 5, pg_sleep(600)",
    "set local statement_timeout = 0; select pg_sleep(600)",
];

/// A schema that replaces the clock, and the session setting that uses it.
const A_DAY_AND_AN_HOUR_LATER: (&str, (&str, &str)) = (
    "create schema later;
    create function later.now() returns timestamptz language sql stable as
        $$ select pg_catalog.now() + interval '25 hours' $$;
    create function later.statement_timestamp() returns timestamptz language sql stable as
        $$ select pg_catalog.statement_timestamp() + interval '25 hours' $$;
    create function later.clock_timestamp() returns timestamptz language sql volatile as
        $$ select pg_catalog.clock_timestamp() + interval '25 hours' $$;
    alter function idem.step reset search_path",
    ("search_path", "later,pg_catalog,public"),
);

/// A limit for idle transactions that a handler outlives.
const SHORT_IDLE: (&str, &str) = ("idle_in_transaction_session_timeout", "1s");

/// A part of the statement that looks for the winner's record.
const FIND: &str = "from idem.record where scope";
const COMMIT: &str = "commit";
/// What a first write sends beside a plain transaction: messages, and texts of statements.
const MORE_MESSAGES: usize = 2;
const MORE_TEXTS: usize = 2;
const MORE_UNTIL_COMMIT: usize = 2;
/// The statement that stores an attempt's record, and the terminal one after a broken transaction: the
/// claim is the same statement.
const STORES: (usize, &str) = (2, "idem.step");
const STORES_TERMINAL: (usize, &str) = (4, "idem.step");
const COMMITS_TERMINAL: (usize, &str) = (1, COMMIT);
const ASKS: &str = "idem.step";
const CANCEL: &str = "pg_cancel_backend";
/// Lists the connections to this database, and kills one.
const KILL_OTHERS: [&str; 2] = [
    "select pid::bigint from pg_stat_activity where datname = current_database() \
        and pid <> pg_backend_pid()",
    "select pg_terminate_backend(?)",
];
/// In the server's log after a broken transaction.
const LOGGED: &str = "ERROR";

const RECORD_OF_ANOTHER: &str = "insert into idem.record (scope, operation, key, attempt, \
    format, fingerprint_version, fingerprint, status, headers, body, expires_at) \
    values ('acme', 'POST /act-in-time', 'k', gen_random_uuid(), \
    1, 1, '', 201, '', '', now() + interval '1 day')";
