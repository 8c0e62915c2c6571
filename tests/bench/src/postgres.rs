//! Postgres: the statements of the sides that are not Idem, and of the measurements.

use idem_tests::postgres::{Db, INSERT_PAYMENT, TestDb, age_records, server_cpu};
use sqlx::postgres::PgConnectOptions as Options;

use crate::options::Database;

#[path = "counted.rs"]
mod counted;
#[path = "endpoints/mod.rs"]
mod endpoints;
#[path = "filled.rs"]
mod filled;
#[path = "grown.rs"]
mod grown;
#[path = "link.rs"]
mod link;
#[path = "loaded.rs"]
mod loaded;
#[path = "measured.rs"]
mod measured;
#[path = "messages.rs"]
mod messages;
#[path = "run.rs"]
mod run;

use self::link::link;
pub(crate) use self::run::{keep, run, serve};

const NAME: &str = "Postgres";

const VERSION_AND_DATE: &str =
    "select current_setting('server_version'), (now() at time zone 'utc')::date::text";

const DATABASE: Database = Database::Postgres;

const READ_ANSWER: &str = "select status, body from idem.record \
    where scope = 'global' and operation = 'POST /payments' and key = $1";

const CREATE_KEYS: &str = "create table idempotency_key (
    scope text not null,
    key text not null,
    fingerprint bytea not null,
    status smallint,
    headers bytea,
    body bytea,
    created_at timestamptz not null default now(),
    primary key (scope, key)
)";

const BEGIN: &str = "begin";

const INSERT_KEY: &str = "insert into idempotency_key (scope, key, fingerprint) values ($1, $2, $3) \
    on conflict do nothing";

const FIND_KEY: &str = "select fingerprint, status, headers, body from idempotency_key \
    where scope = $1 and key = $2";

const STORE_ANSWER: &str = "update idempotency_key set status = $1, headers = $2, body = $3 \
    where scope = $4 and key = $5";

const RECORDS: &str = "idem.record";

const KEY_COLUMN: &str = "key";

const NUMBERED_KEY: &str = "lpad(to_hex((n * 2654435761) & 4294967295), 8, '0') || '-' \
    || lpad(n::text, 27, '0')";

const SETTLE: &[&str] = &["vacuum analyze", "checkpoint"];

const TRANSACTION_IDS: &str = "select pg_snapshot_xmax(pg_current_snapshot())::text::bigint";

const LOG_BYTES: &str = "select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint";

/// The bytes of a table and its indexes.
fn size_of(table: &str) -> String {
    format!("select pg_total_relation_size('{table}')")
}
