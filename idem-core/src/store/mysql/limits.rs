//! The time limits of an attempt's session.
//!
//! | limit | bounds | unit |
//! | --- | --- | --- |
//! | `lock_wait_timeout` | waits for metadata locks, such as those of DDL | seconds |
//! | `innodb_lock_wait_timeout` | waits for row locks | seconds |
//! | `max_statement_time` (MariaDB) | each statement | seconds |
//! | `max_execution_time` (MySQL) | each `select` | milliseconds |
//!
//! They are a second line: Idem stops a handler's statement by `kill query` when its time is over.
//! So the limit is the attempt's timeout in whole seconds, rounded up, and one more, and an
//! application's shorter limit stays.
//!
//! The same text is used twice: at the begin the least of the session's and the attempt's limits,
//! and before the record is stored the least of the saved and the attempt's, since a handler may
//! have set others.

use std::time::Duration;

use sqlx::mysql::MySqlConnection;

use crate::store::records::millis;

/// The assignments of the limits: the least of the attempt's own and of these.
///
/// MySQL needs a cast to take the least of two integers for an integer.
pub(super) fn limits(timeout: Duration, [metadata, row, mariadb, mysql]: &[&str; 4]) -> String {
    // Idem itself stops a handler's statement. This limit is for when its request does not arrive.
    let limit = seconds(timeout).saturating_add(1);
    let milliseconds = millis(Duration::from_secs(limit));
    format!(
        "lock_wait_timeout = cast(least({metadata}, {limit}) as unsigned), \
         innodb_lock_wait_timeout = cast(least({row}, {limit}) as unsigned), \
         /*M!100000 max_statement_time = if({mariadb} > 0, least({mariadb}, {limit}), {limit}) */\
         /*!80000 max_execution_time = \
           cast(if({mysql} > 0, least({mysql}, {milliseconds}), {milliseconds}) as unsigned) */"
    )
}

/// The limits that the session has.
pub(super) const SESSION_LIMITS: [&str; 4] = [
    "@@lock_wait_timeout",
    "@@innodb_lock_wait_timeout",
    "@@max_statement_time",
    "@@max_execution_time",
];

/// The limits that the session had before the attempt.
pub(super) const SAVED_LIMITS: [&str; 4] = [
    "@idem_metadata_wait",
    "@idem_row_wait",
    "@idem_statement",
    "@idem_statement",
];

/// Limits the waits for row locks until the session is restored, or restores the limit that it had.
///
/// The earlier limit is kept on the server, in a variable other than that of the attempt, so that
/// restoring the session afterwards is not disturbed.
pub(super) async fn limit_lock_waits(
    conn: &mut MySqlConnection,
    is_limited: bool,
) -> sqlx::Result<()> {
    let text = match is_limited {
        true => {
            "set @idem_lock_wait = @@session.innodb_lock_wait_timeout, \
             session innodb_lock_wait_timeout = 5"
        }
        false => "set session innodb_lock_wait_timeout = @idem_lock_wait",
    };
    sqlx::raw_sql(text).execute(conn).await.map(|_| ())
}

/// Whole seconds, rounded up: 0 would mean no limit.
pub(super) fn seconds(timeout: Duration) -> u64 {
    timeout.as_secs() + u64::from(timeout.subsec_nanos() > 0)
}

/// The session's limit for a statement. MySQL's is in milliseconds and for statements that read alone.
pub(super) const STATEMENT_LIMIT: &str =
    "/*M!100000 @@max_statement_time *//*!80000 @@max_execution_time */";
