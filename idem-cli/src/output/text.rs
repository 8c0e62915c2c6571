//! Stored texts as a terminal may show them.
//!
//! A scope, an id or an error can contain what a caller has sent. Printed as it is, an escape sequence
//! in it could hide lines or change the terminal's title, and a character that changes the direction of
//! writing could make one name look like another. A character that cannot be seen is written as
//! `\u{…}`.

/// Makes every character of a stored text visible. A backslash is doubled, so that no two texts
/// look the same.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => escaped.push_str("\\\\"),
            visible if is_visible(visible) => escaped.push(visible),
            hidden => escaped.extend(hidden.escape_debug()),
        }
    }
    escaped
}

/// Makes every character of a line visible, as the commands do with each text that they print.
///
/// Backslashes stay, so that a text which is escaped already stays as it is.
///
/// # Examples
///
/// ```
/// assert_eq!(idem_cli::printable("\u{1b}[2Jgone"), "\\u{1b}[2Jgone");
/// ```
pub fn printable(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match is_visible(c) {
            true => escaped.push(c),
            false => escaped.extend(c.escape_debug()),
        }
    }
    escaped
}

/// Makes a text of several lines visible, and keeps its lines and tabs.
pub(crate) fn escape_lines(text: &str) -> String {
    let lines = text.split('\n').map(|line| {
        let line = line.strip_suffix('\r').unwrap_or(line);
        let parts: Vec<_> = line.split('\t').map(escape).collect();
        parts.join("\t")
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// A number of things, such as `1 record` or `2 records`.
pub(crate) fn counted(number: u64, thing: &str) -> String {
    let end = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{end}")
}

/// Whether the character is one that a terminal shows in its place.
pub(crate) fn is_visible(c: char) -> bool {
    matches!(c, '"' | '\'' | '\\') || c.escape_debug().len() == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        for (text, expected) in [
            ("acme", "acme"),
            ("Köln \"Süd\" 'x'", "Köln \"Süd\" 'x'"),
            ("\u{1b}[2Jgone", "\\u{1b}[2Jgone"),
            ("a\nb\tc\r", "a\\nb\\tc\\r"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("\u{7f}", "\\u{7f}"),
            ("\u{202e}emca", "\\u{202e}emca"),
            ("\u{200b}", "\\u{200b}"),
            ("c:\\n", "c:\\\\n"),
        ] {
            assert_eq!(escape(text), expected);
            // A second pass changes nothing more but the backslashes.
            assert_eq!(printable(&escape(text)), expected);
        }
    }

    #[test]
    fn lines_of_a_body_stay_lines() {
        let shown = escape_lines("a: 1\r\nb:\t\u{1b}c\n");
        assert_eq!(shown, "a: 1\nb:\t\\u{1b}c\n");
    }
}
