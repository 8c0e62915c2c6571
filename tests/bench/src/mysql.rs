//! MariaDB and MySQL: the statements of the sides that are not Idem, and of the measurements.

use idem_tests::mysql::{Db, INSERT_PAYMENT, TestDb, age_records, server_cpu};
use sqlx::mysql::MySqlConnectOptions as Options;

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

const NAME: &str = "MariaDB";

const VERSION_AND_DATE: &str = "select version(), date_format(utc_date(), '%Y-%m-%d')";

const DATABASE: Database = Database::Mysql;

const READ_ANSWER: &str = "select status, body from idem_record \
    where scope = 'global' and operation = 'POST /payments' and `key` = ?";

const CREATE_KEYS: &str = "create table idempotency_key (
    scope varchar(255) not null,
    `key` varchar(255) not null,
    fingerprint varbinary(32) not null,
    status smallint,
    headers blob,
    body mediumblob,
    created_at datetime(6) not null default current_timestamp(6),
    primary key (scope, `key`)
) character set ascii collate ascii_bin";

const BEGIN: &str = "begin";

const INSERT_KEY: &str =
    "insert ignore into idempotency_key (scope, `key`, fingerprint) values (?, ?, ?)";

const FIND_KEY: &str = "select fingerprint, status, headers, body from idempotency_key \
    where scope = ? and `key` = ?";

const STORE_ANSWER: &str = "update idempotency_key set status = ?, headers = ?, body = ? \
    where scope = ? and `key` = ?";

const RECORDS: &str = "idem_record";

const KEY_COLUMN: &str = "`key`";

const NUMBERED_KEY: &str = "concat(lpad(lower(hex((n * 2654435761) & 4294967295)), 8, '0'), '-', \
    lpad(n, 27, '0'))";

const SETTLE: &[&str] = &["analyze table payment, idem_record, idempotency_key"];

/// Its transactions are not numbered one after the other.
const TRANSACTION_IDS: &str = "";

const LOG_BYTES: &str = "select cast(variable_value as signed) from \
    /*M!100000 information_schema.global_status where variable_name = 'INNODB_LSN_CURRENT' *//*!80000 \
    performance_schema.global_status where variable_name = 'Innodb_redo_log_current_lsn' */";

/// The bytes of a table and its indexes.
fn size_of(table: &str) -> String {
    format!(
        "select cast(data_length + index_length as signed) from information_schema.tables \
         where table_schema = database() and table_name = '{table}'"
    )
}
