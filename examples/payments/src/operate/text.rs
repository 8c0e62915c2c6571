//! Stored texts, times and addresses, as the pages show them.

use std::borrow::Cow;
use std::fmt::Write;
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use form_urlencoded::Serializer;
use maud::{Markup, html};

/// A stored text in which each character can be seen, written as the command writes it.
pub(super) fn visible(text: &str) -> String {
    // A backslash is doubled, so that no two texts look the same.
    idem_cli::printable(&text.replace('\\', "\\\\"))
}

/// The same, or a dash if there is none.
pub(super) fn visible_or_none(text: Option<&str>) -> String {
    text.map_or_else(|| "–".to_owned(), visible)
}

/// A time of the database, in UTC.
pub(super) fn utc(time: SystemTime) -> String {
    let mut text = String::new();
    match time < SystemTime::UNIX_EPOCH {
        true => "before 1970".to_owned(),
        false => match write!(text, "{}", humantime::format_rfc3339_seconds(time)) {
            Ok(()) => text,
            Err(_) => "after 9999".to_owned(),
        },
    }
}

/// A path of these pages with its query, without the empty parts.
pub(super) fn address(path: &str, query: &[(&str, &str)]) -> String {
    let mut parts = Serializer::new(String::new());
    for (name, value) in query.iter().filter(|(_, value)| !value.is_empty()) {
        parts.append_pair(name, value);
    }
    let query = parts.finish();
    match query.is_empty() {
        true => path.to_owned(),
        false => format!("{path}?{query}"),
    }
}

/// Stored bytes: their text if they are one, else base64; only the beginning of long ones.
pub(super) fn content(name: &str, bytes: &[u8]) -> Markup {
    let is_long = bytes.len() > LONGEST;
    let shown = bytes.get(..LONGEST).unwrap_or(bytes);
    let (form, text) = match utf8(shown, is_long) {
        Some(text) => ("", lines(text)),
        None => (", as base64", STANDARD.encode(shown)),
    };
    html! {
        p.faint {
            (name) ": "
            @if is_long { "the first " (LONGEST) " of " }
            (bytes.len()) " bytes" (form)
        }
        @if !bytes.is_empty() { pre.stored { code { (text) } } }
    }
}

/// The text, without a last character that was cut through.
fn utf8(bytes: &[u8], is_cut: bool) -> Option<&str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(error) if is_cut && error.error_len().is_none() => {
            std::str::from_utf8(bytes.get(..error.valid_up_to())?).ok()
        }
        Err(_) => None,
    }
}

/// A text of several lines, which stay lines.
pub(super) fn lines(text: &str) -> String {
    let lines = text.split('\n').map(|line| {
        let line = line.strip_suffix('\r').unwrap_or(line);
        let parts = line.split('\t').map(visible).map(Cow::Owned);
        parts.collect::<Vec<_>>().join("\t")
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// How many bytes of a body or payload are shown.
const LONGEST: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_cannot_be_seen_is_escaped_and_lines_stay_lines() {
        assert_eq!(visible("a\u{202e}b\\n\n"), "a\\u{202e}b\\\\n\\n");
        assert_eq!(lines("a: 1\r\nb:\t\u{1b}c\n"), "a: 1\nb:\t\\u{1b}c\n");
    }

    #[test]
    fn a_long_body_is_cut_at_a_character_and_bytes_are_base64() {
        let long = "ö".repeat(LONGEST);
        let cut = format!("x{long}");
        let shown = content("Body", cut.as_bytes()).into_string();
        assert!(shown.contains("the first 65536 of 131073 bytes"));
        assert!(shown.len() < LONGEST + 200 && !shown.contains("base64"));
        let shown = content("Body", &[0xff, 0xfe]).into_string();
        assert!(shown.contains("as base64") && shown.contains("//4="));
    }

    #[test]
    fn a_time_that_has_no_date_is_shown_too() {
        let day = Duration::from_secs(86_400);
        assert_eq!(utc(SystemTime::UNIX_EPOCH + day), "1970-01-02T00:00:00Z");
        assert_eq!(utc(SystemTime::UNIX_EPOCH - day), "before 1970");
        assert_eq!(utc(SystemTime::UNIX_EPOCH + day * 4_000_000), "after 9999");
    }

    #[test]
    fn an_address_has_each_part_escaped_and_no_empty_one() {
        let all = address("/operate", &[("scope", "a&b=\n<"), ("key", "")]);
        assert_eq!(all, "/operate?scope=a%26b%3D%0A%3C");
        assert_eq!(address("/operate", &[("scope", "")]), "/operate");
    }
}
