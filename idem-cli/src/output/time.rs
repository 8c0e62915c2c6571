//! Times of the database, as the commands print them.

use std::time::SystemTime;

/// The time in UTC, to the second.
pub(crate) fn utc(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}
