//! The strings of a JSON body.
//!
//! The form escapes quotes, backslashes and control characters and nothing else, as `serde_json`
//! does (RFC 8785, section 3.2.2.2). So a string without an escape is its own form.

use std::borrow::Cow;

/// Writes the form of the string that the text begins with, and returns what it says and the rest of
/// the text. `None` if it is no valid string, or if `serde_json` reads an object with this name as
/// another value.
///
/// With its features `raw_value` and `arbitrary_precision`, which any crate of the program can turn
/// on, `serde_json` reads `{"$serde_json::private::RawValue":"1"}` as 1. Such bodies have never had
/// a form, and their records have a digest of the bytes.
pub(super) fn write<'t>(text: &'t str, form: &mut Vec<u8>) -> Option<(Cow<'t, str>, &'t str)> {
    let (token, rest, is_escaped) = split(text)?;
    let said = match is_escaped {
        false => {
            form.extend_from_slice(token.as_bytes());
            Cow::Borrowed(token.strip_prefix('"')?.strip_suffix('"')?)
        }
        true => {
            let said: String = serde_json::from_str(token).ok()?;
            serde_json::to_writer(form, &said).ok()?;
            Cow::Owned(said)
        }
    };
    let is_private = said.starts_with("$serde_json::private::");
    (!is_private).then_some((said, rest))
}

/// The string, the rest of the text, and whether there are escapes. `None` if the string has no end
/// or has a control character.
fn split(text: &str) -> Option<(&str, &str, bool)> {
    let (mut rest, mut is_escaped) = (text.strip_prefix('"')?.as_bytes(), false);
    loop {
        let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | ..b' ');
        let (_, special) = rest.split_at_checked(rest.iter().position(is_special)?)?;
        match special {
            [b'"', after @ ..] => {
                let (token, after) = text.split_at_checked(text.len() - after.len())?;
                return Some((token, after, is_escaped));
            }
            [b'\\', _, after @ ..] => (rest, is_escaped) = (after, true),
            _ => return None,
        }
    }
}
