//! What a session of MariaDB or MySQL can be set to.

/// By a handler, without harm to its completion.
pub const HANDLER_SETTINGS: &[&str] = &[
    "use mysql",
    "set innodb_lock_wait_timeout = 1, lock_wait_timeout = 1",
    "set wait_timeout = 1",
    "set /*M!100000 max_statement_time = 9 *//*!80000 max_execution_time = 9000 */",
    "set @idem_free = 0, @idem_record = 0",
    "set max_error_count = 0",
];

/// By a handler that fails.
pub const UNDONE_SETTINGS: &[&str] = HANDLER_SETTINGS;

pub const READ_ONLY: &str = "set session transaction read only";

/// Shorter than what [`SLOW_COMPLETION`] takes.
pub const SHORT_LIMIT: &str =
    "set /*M!100000 max_statement_time = 1 *//*!80000 max_execution_time = 1000 */";

pub const SLOW_COMPLETION: &str = "create trigger wait before insert on idem_record \
    for each row set new.status = if(sleep(1.5), 99, new.status)";

/// What Idem sets, and the database, as the connection's next user finds them.
pub const SETTINGS: &str = "select concat_ws(' ', database(), @@autocommit, \
    @@innodb_lock_wait_timeout, @@lock_wait_timeout, @@wait_timeout, @@max_error_count, \
    /*M!100000 @@max_statement_time *//*!80000 @@max_execution_time */)";

/// Inside an attempt, in seconds: of waiting for rows and tables, of a statement, of an idle moment.
pub const LIMITS: &str = "select concat_ws(' ', @@innodb_lock_wait_timeout, @@lock_wait_timeout, \
    /*M!100000 round(@@max_statement_time) *//*!80000 @@max_execution_time div 1000 */, \
    @@wait_timeout)";

pub const LIMIT_NAMES: &[&str] = &[
    "innodb_lock_wait_timeout",
    "lock_wait_timeout",
    "/*M!100000 max_statement_time *//*!80000 max_execution_time */",
    "wait_timeout",
];

/// What [`LIMITS`] says where the session has none, a shorter and a longer one.
#[cfg(not(idem_on_mysql))]
pub const LIMITED: [(&str, &str); 3] = [
    ("", "31 31 31 35"),
    ("7", "7 7 7 7"),
    ("420", "31 31 31 35"),
];

/// The limit of statements is in milliseconds.
#[cfg(idem_on_mysql)]
pub const LIMITED: [(&str, &str); 3] =
    [("", "31 31 31 35"), ("7", "7 7 0 7"), ("420", "31 31 0 35")];
