//! Texts of a server, as a terminal may show them.

/// The text with each character escaped that a terminal would obey or cannot show.
pub(crate) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match is_visible(c) {
            true => shown.push(c),
            false => shown.extend(c.escape_debug()),
        }
    }
    shown
}

/// A JSON document with the same characters escaped as JSON has it. Its own lines stay.
pub(crate) fn visible_json(document: &str) -> String {
    let mut shown = String::with_capacity(document.len());
    for c in document.chars() {
        match is_visible(c) || c == '\n' {
            true => shown.push(c),
            false => {
                let units = c.encode_utf16(&mut [0; 2]).to_vec();
                shown.extend(units.iter().map(|unit| format!("\\u{unit:04x}")));
            }
        }
    }
    shown
}

fn is_visible(c: char) -> bool {
    matches!(c, '"' | '\'' | '\\') || c.escape_debug().len() == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Köln \u{1b}[2J \u{9b}31m \u{202e} \u{e0001} \\ \" '";

    #[test]
    fn nothing_is_left_for_a_terminal_to_obey() {
        let shown = visible(TEXT);
        assert!(shown.chars().all(is_visible), "{shown}");
        assert!(
            shown.starts_with("Köln \\u{1b}[2J \\u{9b}31m \\u{202e}"),
            "{shown}"
        );
    }

    #[test]
    fn a_document_reads_as_the_same_one() {
        let document = serde_json::to_string_pretty(&[TEXT]).unwrap();
        let shown = visible_json(&document);
        assert!(
            shown.lines().all(|line| line.chars().all(is_visible)),
            "{shown}"
        );
        let read: Vec<String> = serde_json::from_str(&shown).unwrap();
        assert_eq!(read, [TEXT]);
    }
}
