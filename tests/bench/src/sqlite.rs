//! SQLite: the statements of the sides that are not Idem, and of the measurements.

use idem_tests::sqlite::{Db, INSERT_PAYMENT, TestDb, age_records, server_cpu};

use crate::links::{Link, Route};
use crate::options::Database;

#[path = "counted.rs"]
mod counted;
#[path = "endpoints/mod.rs"]
mod endpoints;
#[path = "filled.rs"]
mod filled;
#[path = "grown.rs"]
mod grown;
#[path = "loaded.rs"]
mod loaded;
#[path = "measured.rs"]
mod measured;
#[path = "messages.rs"]
mod messages;
#[path = "run.rs"]
mod run;

pub(crate) use self::run::{keep, run, serve};

const NAME: &str = "SQLite";

const VERSION_AND_DATE: &str = "select sqlite_version(), date('now')";

const DATABASE: Database = Database::Sqlite;

const READ_ANSWER: &str = "select status, body from idem_record \
    where scope = 'global' and operation = 'POST /payments' and key = $1";

const CREATE_KEYS: &str = "create table idempotency_key (
    scope text not null,
    key text not null,
    fingerprint blob not null,
    status integer,
    headers blob,
    body blob,
    created_at integer not null default (unixepoch()),
    primary key (scope, key)
)";

/// A transaction that begins with a read and goes on to write fails if another has written meanwhile.
const BEGIN: &str = "begin immediate";

const INSERT_KEY: &str = "insert into idempotency_key (scope, key, fingerprint) values (?1, ?2, ?3) \
    on conflict do nothing";

const FIND_KEY: &str = "select fingerprint, status, headers, body from idempotency_key \
    where scope = ?1 and key = ?2";

const STORE_ANSWER: &str = "update idempotency_key set status = ?1, headers = ?2, body = ?3 \
    where scope = ?4 and key = ?5";

const RECORDS: &str = "idem_record";

const KEY_COLUMN: &str = "key";

const NUMBERED_KEY: &str = "printf('%08x-%027d', (n * 2654435761) & 4294967295, n)";

const SETTLE: &[&str] = &["analyze", "pragma wal_checkpoint(truncate)"];

const TRANSACTION_IDS: &str = "";

const LOG_BYTES: &str = "";

/// The bytes of the file; only one of its tables grows.
fn size_of(_table: &str) -> String {
    "select page_count * page_size from pragma_page_count(), pragma_page_size()".to_owned()
}

/// Nothing can stand between a process and its file.
async fn link(_route: Route, url: String) -> (String, Link) {
    (url, Link::Nothing)
}
