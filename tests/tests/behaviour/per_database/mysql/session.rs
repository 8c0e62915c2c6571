//! Session settings of MariaDB and MySQL.

use idem_tests::mysql::is_mysql;

/// Settings that a handler may change without breaking its completion.
pub const HANDLER_SETTINGS: &[&str] = &[
    "use mysql",
    "set innodb_lock_wait_timeout = 1, lock_wait_timeout = 1",
    "set wait_timeout = 1",
    "set /*M!100000 max_statement_time = 9 *//*!80000 max_execution_time = 9000 */",
    "set @idem_free = 0, @idem_record = 0",
    "set /*M!100000 max_error_count *//*!80000 @errors */ = 0",
];

/// Settings that are undone after a handler fails.
pub const UNDONE_SETTINGS: &[&str] = HANDLER_SETTINGS;

pub const READ_ONLY: &str = "set session transaction read only";

/// Shorter than [`SLOW_COMPLETION`] takes.
pub const SHORT_LIMIT: &str =
    "set /*M!100000 max_statement_time = 1 *//*!80000 max_execution_time = 1000 */";

pub const SLOW_COMPLETION: &str = "create trigger wait before insert on idem_record \
    for each row set new.status = if(sleep(1.5), 99, new.status)";

/// The settings that Idem changes, and the database, as the connection's next user sees them.
pub const SETTINGS: &str = "select concat_ws(' ', database(), @@autocommit, \
    @@innodb_lock_wait_timeout, @@lock_wait_timeout, @@wait_timeout, @@max_error_count, \
    /*M!100000 @@max_statement_time *//*!80000 @@max_execution_time */)";

/// The limits inside an attempt, in seconds: row locks, table locks, a statement, an idle period.
pub const LIMITS: &str = "select concat_ws(' ', @@innodb_lock_wait_timeout, @@lock_wait_timeout, \
    /*M!100000 round(@@max_statement_time) *//*!80000 @@max_execution_time div 1000 */, \
    @@wait_timeout)";

pub const LIMIT_NAMES: &[&str] = &[
    "innodb_lock_wait_timeout",
    "lock_wait_timeout",
    "/*M!100000 max_statement_time *//*!80000 max_execution_time */",
    "wait_timeout",
];

/// The expected [`LIMITS`] where the session has no limit, a shorter and a longer one.
pub fn limited() -> [(&'static str, &'static str); 3] {
    // MySQL's limit of statements is in milliseconds.
    let [shorter, longer] = match is_mysql() {
        false => ["7 7 7 7", "31 31 31 35"],
        true => ["7 7 0 7", "31 31 0 35"],
    };
    [("", "31 31 31 35"), ("7", shorter), ("420", longer)]
}

/// Settings that a handler changes and leaves to the session's next user.
pub const LASTING_SETTINGS: &[&str] = &[
    "set sql_mode = 'ansi_quotes,pipes_as_concat,ignore_space,no_backslash_escapes'",
    "set sql_mode = 'high_not_precedence,pad_char_to_full_length'",
    "set sql_mode = ''",
    "set sql_mode = 'traditional,only_full_group_by'",
    "set sql_mode = 'ansi,no_unsigned_subtraction'",
    // The tests' own payments on MySQL are made by a select.
    "set sql_select_limit = /*M!100000 0 *//*!80000 2 */",
    "set sql_select_limit = 1",
    "set sql_safe_updates = 1",
    "set character_set_results = latin1",
    "set character_set_results = null",
    "set names latin1",
    "set collation_connection = ucs2_general_ci",
    "set time_zone = '-11:00'",
    "set foreign_key_checks = 0, unique_checks = 0",
    "set completion_type = 1",
    "set completion_type = 2",
    "set session transaction isolation level read uncommitted",
    "set session transaction isolation level serializable",
    "set max_error_count = 0, sql_notes = 0",
    "set div_precision_increment = 0, sql_auto_is_null = 1",
    "set optimizer_switch = 'derived_merge=off,materialization=off', optimizer_search_depth = 0",
    "set group_concat_max_len = 4, sort_buffer_size = 32768, tmp_table_size = 1024",
    "set net_write_timeout = 1, net_read_timeout = 1",
    "set lc_messages = 'de_DE'",
    "set /*M!100000 max_statement_time = 0.001 *//*!80000 max_execution_time = 1 */",
    "set /*M!100000 sql_mode = 'oracle' *//*!80000 sql_mode = 'ansi' */",
    "set /*M!100000 query_cache_type = off *//*!80000 use_secondary_engine = off */",
    "prepare mine from 'select 1'",
];

/// Settings that prevent the record from being stored.
pub const SPOILING_SETTINGS: &[&str] = &["create temporary table idem_record (a int)"];

/// Settings that make every result unreadable for the driver, so that the claim fails.
pub const UNREADABLE_SETTINGS: &[&str] = &[
    "set character_set_results = ucs2",
    "set character_set_results = utf16",
];
