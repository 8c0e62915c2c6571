//! MariaDB or MySQL: a database per test.

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

mod account;
mod autocommit;
mod deadlock;
mod dropped_prepare;
mod error_numbers;
mod gate;
mod implicit_commit;
mod inbox_isolation;
mod inbox_packets;
mod isolation_levels;
mod lasting_settings;
mod left_open;
mod left_open_own_statements;
#[path = "../servers/mod.rs"]
mod servers;
mod session;
mod statement_log;
mod sweep_locks;

use idem_axum::{Idempotency, IdempotencyBuilder};
use idem_tests::mysql::{Db, INSERT_PAYMENT, TestDb, age_records, end_refusals, pool_at};
use sqlx::Pool;

macro_rules! sessions {
    () => {
        "(select /*M!100000 id, db, state, info from information_schema.processlist \
         *//*!80000 processlist_id as id, processlist_db as db, processlist_state as state, \
         processlist_info as info from performance_schema.threads */) as session"
    };
}

/// The handle that the tests of this folder begin with.
fn idem_on(pool: Pool<Db>) -> IdempotencyBuilder<Db> {
    Idempotency::builder(pool)
}

/// Whether the server's log has the statements of attempts that are refused.
const LOGS_REFUSALS: bool = false;
const RECORD: &str = "idem_record";
const TOMBSTONE: &str = "idem_tombstone";
const LETTER: &str = "idem_dead_letter";
const ROLLOUT: &str = "idem_rollout";
/// Statements that take the table of records away, and give it back.
const HIDE_RECORDS: [&str; 2] = [
    "alter table idem_record rename to hidden",
    "alter table hidden rename to idem_record",
];
const KEEPS_NO_RECORD: &str = "alter table idem_record add check (status = 0)";
const KEEPS_NO_PAYLOAD: &str = "alter table idem_dead_letter add check (payload is null)";
/// Commits the transaction behind Idem's back.
const COMMITS: &str = "commit";
/// Statements that lock the records, and unlock them.
const LOCK_RECORDS: [&str; 2] = [
    "lock tables idem_record write, idem_tombstone write",
    "unlock tables",
];
/// Whether an attempt waits for them.
const WAITS_FOR_RECORDS: &str = concat!(
    "select exists(select 1 from ",
    sessions!(),
    " where db = database() and state = 'Waiting for table metadata lock')"
);
const KEY: &str = "`key`";
const ONE_WRITER: bool = false;
const IS_NAMED: bool = true;

const SCOPE_AND_KEY: &str = "convert(scope using utf8mb4), convert(`key` using utf8mb4)";
const OF_SCOPE_AND_KEY: &str = "scope = ? and `key` = ?";
const TEXT: &str = "char";

const COPIED_SQL: &str = concat!(
    include_str!("../../../../../idem-core/migrations/mysql/0001_record.sql"),
    include_str!("../../../../../idem-core/migrations/mysql/0002_dead_letter.sql"),
    include_str!("../../../../../idem-core/migrations/mysql/0003_rollout.sql"),
    include_str!("../../../../../idem-core/migrations/mysql/0004_tombstone.sql")
);

/// Statements that make a migration fail, and succeed again.
const OBSTACLE: [&str; 2] = [
    "create trigger obstacle before insert on idem_migration \
        for each row signal sqlstate '45000'",
    "drop trigger obstacle",
];

/// Fails like a deadlock: the server has rolled everything back.
const FAILS: &str = "rollback; signal sqlstate '40001' set mysql_errno = 1213";

/// Where another transaction can insert a record while the handler runs.
const RACED: [&str; 2] = ["/gate", "/outside"];

/// Statements that run until they are cancelled.
const ENDLESS: [&str; 3] = [
    "select sleep(600)",
    "insert into payment (tenant, amount, reference) select 'acme', 5, sleep(600)",
    "set /*M!100000 max_statement_time *//*!80000 max_execution_time */ = 0; do sleep(600)",
];

/// A setup statement, and the session setting that moves the clock ahead.
const A_DAY_AND_AN_HOUR_LATER: (&str, (&str, &str)) =
    ("do 0", ("timestamp", "unix_timestamp() + 25 * 3600"));

/// A limit for idle sessions that a handler outlives.
const SHORT_IDLE: (&str, &str) = ("wait_timeout", "1");

/// A part of the statement that looks for the winner's record.
const FIND: &str = "read committed; select r.format";
const COMMIT: &str = "commit";
/// What a first write sends beside a plain transaction: messages, the one after the answer too, and texts of
/// statements.
const MORE_MESSAGES: usize = 4;
const MORE_TEXTS: usize = 4;
const MORE_UNTIL_COMMIT: usize = 2;
/// The statement that stores an attempt's record, and the terminal one after a broken transaction.
const STORES: (usize, &str) = (1, "idem_record (attempt");
const STORES_TERMINAL: (usize, &str) = (2, STORES.1);
/// The COMMIT of the terminal record: the message of the attempt's own COMMIT finds that its transaction is broken.
const COMMITS_TERMINAL: (usize, &str) = (2, COMMIT);
const ASKS: &str = "get_lock";
const CANCEL: &str = "kill query";
/// The server's sessions. MySQL's list of MariaDB's name fails on statements with bytes in them.
const SESSIONS: &str = sessions!();
/// Lists the connections to this database, and kills one.
const KILL_OTHERS: [&str; 2] = [
    concat!(
        "select cast(id as signed) from ",
        sessions!(),
        " where db = database() and id <> connection_id()"
    ),
    "kill ?",
];
/// In the log of every started server; failed statements are not logged.
const LOGGED: &str = "ready for connections";

const RECORD_OF_ANOTHER: &str = "insert into idem_record (scope, operation, `key`, attempt, \
    format, fingerprint_version, fingerprint, status, headers, body, created_at, expires_at) \
    values ('acme', 'POST /act-in-time', 'k', unhex(replace(uuid(), '-', '')), \
    1, 1, '', 201, '', '', utc_timestamp(6), utc_timestamp(6) + interval 1 day)";
