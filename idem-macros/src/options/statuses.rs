//! The list of statuses in `store = "2xx, 3xx, 402"`.
//!
//! A response whose status is not stored is rolled back, and its retry runs. So the list answers
//! one question: after which of its answers must the handler not run again?
//!
//! | status | in a list |
//! | --- | --- |
//! | `2xx`, `3xx` | as ranges; they are the default |
//! | a single one, such as 402 or 409 | yes; also an `Err` of this status is stored, its writes are undone |
//! | `4xx` | no: the range contains statuses that ask for a retry |
//! | 401, 403, 408, 425, 429 | no: the same request is meant to succeed later |
//! | 1xx | no: interim, RFC 9110, section 15.2 |
//! | 5xx | no: a failure that is replayed for the whole ttl would defeat the retry |
//!
//! All of this is refused at compile time. A list read at run time would be found wrong by a
//! client.

/// Which responses are stored. The same three values are the arguments of `Spec::store`.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct StoredStatuses {
    pub(crate) success: bool,
    pub(crate) redirect: bool,
    pub(crate) statuses: Vec<u16>,
}

/// Reads the list, or returns all that is wrong with it.
///
/// A list without a status below 400 is refused: the handler's every success would be rolled back.
/// Its author meant to add to the default, and has replaced it.
pub(crate) fn parse(text: &str) -> Result<StoredStatuses, Vec<String>> {
    let (mut store, mut errors) = (StoredStatuses::default(), Vec::new());
    for entry in text.split(',').map(str::trim) {
        if let Err(error) = store.add(entry) {
            errors.push(error);
        }
    }
    if errors.is_empty() && !store.keeps_a_success() {
        errors.push(format!(
            "with \"{text}\" every success would be rolled back: add `2xx` to the list"
        ));
    }
    if errors.is_empty() {
        Ok(store)
    } else {
        Err(errors)
    }
}

impl StoredStatuses {
    fn add(&mut self, entry: &str) -> Result<(), String> {
        match entry {
            "2xx" => set_once(&mut self.success, entry),
            "3xx" => set_once(&mut self.redirect, entry),
            "4xx" => Err(
                "`4xx` would also store 401, 408 and 429: name each status, \
                          such as \"2xx, 404, 409\""
                    .into(),
            ),
            "5xx" => Err(NEVER_5XX.into()),
            "1xx" => Err(NEVER_1XX.into()),
            "" => Err("an entry is empty: write for example \"2xx, 3xx, 409\"".into()),
            _ => self.add_status(entry),
        }
    }

    /// Adds a single status.
    ///
    /// Three digits exactly: `str::parse` would take `+409` and `0409` too. 600 to 999 are no
    /// statuses of HTTP, although `StatusCode` accepts them.
    fn add_status(&mut self, entry: &str) -> Result<(), String> {
        let digits = entry.len() == 3 && entry.bytes().all(|byte| byte.is_ascii_digit());
        let status: u16 = if digits {
            entry.parse().unwrap_or(0)
        } else {
            0
        };
        if !(100..=599).contains(&status) {
            return Err(format!(
                "`{entry}` is not `2xx`, `3xx` or a status code such as `409`"
            ));
        }
        if let Some(reason) = never_stored(status) {
            return Err(reason.into());
        }
        if self.statuses.contains(&status) {
            return Err(given_twice(entry));
        }
        self.statuses.push(status);
        Ok(())
    }

    /// Whether a response that is no error is stored.
    fn keeps_a_success(&self) -> bool {
        self.success || self.redirect || self.statuses.iter().any(|status| *status < 400)
    }
}

fn set_once(range: &mut bool, entry: &str) -> Result<(), String> {
    if std::mem::replace(range, true) {
        Err(given_twice(entry))
    } else {
        Ok(())
    }
}

fn given_twice(entry: &str) -> String {
    format!("`{entry}` is in the list twice")
}

/// Why a status must not be replayed, if so.
fn never_stored(status: u16) -> Option<&'static str> {
    Some(match status {
        100..=199 => NEVER_1XX,
        401 => "401 is never stored: a retry with valid credentials must be able to succeed",
        403 => "403 is never stored: a retry must succeed once access is granted",
        408 => "408 is never stored: a request that came too slowly must be able to come again",
        425 => "425 is never stored: it asks the client to send the same request again",
        429 => "429 is never stored: it asks the client to send the same request later",
        500..=599 => NEVER_5XX,
        _ => return None,
    })
}

const NEVER_1XX: &str = "1xx answers are never stored: they are not the final answer";
const NEVER_5XX: &str = "5xx answers are never stored: a retry must be able to succeed";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_statuses_are_listed_in_any_order() {
        let store = StoredStatuses {
            success: true,
            redirect: false,
            statuses: vec![402, 409],
        };
        assert_eq!(parse("402, 2xx,409"), Ok(store));
        let store = StoredStatuses {
            success: true,
            redirect: true,
            statuses: vec![],
        };
        assert_eq!(parse("2xx, 3xx"), Ok(store));
        let store = StoredStatuses {
            success: false,
            redirect: false,
            statuses: vec![201],
        };
        assert_eq!(parse("201"), Ok(store));
    }

    #[test]
    fn statuses_that_ask_for_a_retry_are_refused_with_the_reason() {
        for status in [
            "101", "401", "403", "408", "425", "429", "500", "503", "5xx", "1xx",
        ] {
            let errors = parse(&format!("2xx, {status}")).unwrap_err();
            assert!(errors[0].contains("never stored: "), "{status}: {errors:?}");
        }
    }

    #[test]
    fn the_range_4xx_is_refused_with_a_suggestion() {
        assert!(parse("2xx, 4xx").unwrap_err()[0].contains("name each status"));
    }

    #[test]
    fn every_invalid_status_is_reported() {
        assert_eq!(parse("2xx, 600, 99, 4o2, , 2xx, 5xx").unwrap_err().len(), 6);
    }

    #[test]
    fn a_list_without_success_is_refused() {
        assert!(parse("402").unwrap_err()[0].contains("add `2xx`"));
        assert!(parse("304").is_ok());
    }
}
