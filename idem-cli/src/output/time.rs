//! Times of the database, as the commands print them.

use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

/// The time in UTC, to the second; what no calendar of four digits has is shown as the end that it is beyond.
pub(crate) fn utc(time: SystemTime) -> String {
    if time < UNIX_EPOCH {
        return "before 1970".to_owned();
    }
    let mut text = String::new();
    match write!(text, "{}", humantime::format_rfc3339_seconds(time)) {
        Ok(()) => text,
        Err(_) => "after 9999".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_time_that_has_no_date_is_shown_too() {
        let day = Duration::from_secs(86_400);
        assert_eq!(utc(UNIX_EPOCH + day), "1970-01-02T00:00:00Z");
        assert_eq!(utc(UNIX_EPOCH - day), "before 1970");
        assert_eq!(utc(UNIX_EPOCH + day * 4_000_000), "after 9999");
    }
}
