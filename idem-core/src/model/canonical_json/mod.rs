//! The canonical form of a JSON body, if there is one without loss.
//!
//! Clients that serialize a body anew for each retry may change the order of names, spaces and the
//! notation of numbers. RFC 8785 defines one form for all of these. It is only safe where parsing
//! loses nothing, and JSON parsers lose a lot: of two members with one name they keep one, and of a
//! long number its first digits. `{"amount":9007199254740993}` and `…992` are the same double, so
//! the form of the first would pass for the second.
//!
//! Three things are checked, the last two in one pass over the text. If one fails, there is no
//! form, and the bytes are compared:
//!
//! 1. The body is UTF-8, valid JSON, not nested too deep, and no object has a name twice. Names are
//!    compared after their escapes are read: `"a"` and `"\u0061"` are one name.
//! 2. Each number has a form with the same decimal value. This reads the text, since the parser has
//!    dropped the digits by then.
//! 3. No name is one that the parser itself reads in a special way.
//!
//! The bytes are always a correct answer: at worst a retry that was serialized anew is refused. A
//! wrong form would replay the response to another request.

use std::collections::HashSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};

#[cfg(test)]
mod exact;
mod number;
#[cfg(test)]
mod properties;

/// The RFC 8785 form of a body, or `None` if two different bodies could have the same form.
///
/// A changed amount must never look equal, so the form must lose nothing of the body. There is no
/// form for invalid JSON, duplicate names, integers beyond 2^53, decimals that a double cannot
/// hold, and a body that is nested deeper than the parser allows.
pub(crate) fn canonical(body: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(body).ok()?;
    serde_json::from_str::<DistinctNames>(text).ok()?;
    if !keeps_its_meaning(text) {
        return None;
    }
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    serde_json_canonicalizer::to_vec(&value).ok()
}

/// Deserializes from JSON only if no object has a name twice.
struct DistinctNames;

impl<'de> Deserialize<'de> for DistinctNames {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Members)
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = DistinctNames;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<DistinctNames, A::Error> {
        let mut names = HashSet::new();
        while let Some((name, _)) = map.next_entry::<String, DistinctNames>()? {
            if !names.insert(name) {
                return Err(A::Error::custom("duplicate name"));
            }
        }
        Ok(DistinctNames)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<DistinctNames, A::Error> {
        while seq.next_element::<DistinctNames>()?.is_some() {}
        Ok(DistinctNames)
    }

    fn visit_unit<E>(self) -> Result<DistinctNames, E> {
        Ok(DistinctNames)
    }

    fn visit_bool<E>(self, _: bool) -> Result<DistinctNames, E> {
        Ok(DistinctNames)
    }

    fn visit_i64<E>(self, _: i64) -> Result<DistinctNames, E> {
        Ok(DistinctNames)
    }

    fn visit_u64<E>(self, _: u64) -> Result<DistinctNames, E> {
        Ok(DistinctNames)
    }

    fn visit_f64<E>(self, _: f64) -> Result<DistinctNames, E> {
        Ok(DistinctNames)
    }

    fn visit_str<E>(self, _: &str) -> Result<DistinctNames, E> {
        Ok(DistinctNames)
    }
}

/// Whether the parser keeps everything that this valid JSON says.
fn keeps_its_meaning(json: &str) -> bool {
    let mut rest = json;
    while let Some(start) = rest.find(|c: char| matches!(c, '"' | '-' | '0'..='9')) {
        let (_, token) = rest.split_at(start);
        let (is_kept, after) = if token.starts_with('"') {
            let (string, after) = token.split_at(token.len() - after_string(token).len());
            (!is_private_name(string), after)
        } else {
            let in_number = |c: char| matches!(c, '0'..='9' | '+' | '-' | '.' | 'e' | 'E');
            let end = token.find(|c| !in_number(c)).unwrap_or(token.len());
            let (number, after) = token.split_at(end);
            (number::is_exact(number), after)
        };
        if !is_kept {
            return false;
        }
        rest = after;
    }
    true
}

/// What follows a string, of which `token` begins with the opening quote. The JSON is known to be
/// valid.
fn after_string(token: &str) -> &str {
    let mut chars = token.chars();
    let mut within = chars.next();
    while within.is_some() {
        within = match chars.next() {
            Some('\\') => chars.next(),
            Some('"') => None,
            other => other,
        };
    }
    chars.as_str()
}

/// Whether the parser reads an object with this name as another value.
///
/// With its features `raw_value` and `arbitrary_precision`, which any crate of the program
/// can turn on, it reads `{"$serde_json::private::RawValue":"1"}` as 1.
fn is_private_name(string: &str) -> bool {
    // The first character is `$`, plain or escaped.
    (string.starts_with("\"$") || string.starts_with("\"\\u"))
        && serde_json::from_str(string)
            .is_ok_and(|name: String| name.starts_with("$serde_json::private::"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_numbers_have_a_canonical_form() {
        for body in [
            "9007199254740992",
            "-9007199254740992",
            "12.50",
            "1e3",
            "0.1",
            "[1,[2]]",
            r#"{"9007199254740993":"\\\"9007199254740993","a":1e3}"#,
        ] {
            assert!(canonical(body.as_bytes()).is_some(), "{body}");
        }
    }

    #[test]
    fn numbers_that_a_double_cannot_hold_have_no_form() {
        let bodies = [
            "9007199254740993",
            "[{\"a\":9007199254740993}]",
            "0.10000000000000000001",
            "1e400",
            "1e-400",
            "99999999999999999999",
            "0.1e-250000000000",
            "0e999999999999",
            r#"{"a\\\"":"\\\\","b":9007199254740993}"#,
        ];
        for body in bodies {
            assert!(canonical(body.as_bytes()).is_none(), "{body}");
        }
    }

    #[test]
    fn duplicate_names_and_broken_json_have_no_form() {
        for body in [
            r#"{"a":1,"a":2}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"[{"b":{"a":1,"a":1}}]"#,
            "{",
            "",
        ] {
            assert!(canonical(body.as_bytes()).is_none(), "{body}");
        }
    }

    #[test]
    fn an_object_that_the_parser_reads_as_another_value_has_no_form() {
        let raw = r#"{"a":{"$serde_json::private::RawValue":"9007199254740993"}}"#;
        // The dependencies of the tests turn the feature on.
        let read: serde_json::Value = serde_json::from_str(raw).unwrap();
        assert!(read["a"].is_number());
        for body in [
            raw,
            r#"{"$serde_json::private::Number":"1"}"#,
            r#"{"\u0024serde_json::private::RawValue":"1"}"#,
            r#"[{"$serde\u005fjson::private::RawValue":"[]"}]"#,
        ] {
            assert!(canonical(body.as_bytes()).is_none(), "{body}");
        }
        for body in [r#"{"$serde":1}"#, r#""\u00e9""#, r#"{"$ref":"$"}"#] {
            assert!(canonical(body.as_bytes()).is_some(), "{body}");
        }
    }

    #[test]
    fn text_that_is_not_unicode_has_no_form() {
        for body in [
            &b"\xef\xbb\xbf1"[..],
            br#""\ud800""#,
            br#""\udc00\ud800""#,
            b"\"\xff\"",
        ] {
            assert!(canonical(body).is_none(), "{body:?}");
        }
    }

    #[test]
    fn a_body_nested_too_deep_has_no_form_and_crashes_nothing() {
        for (open, inner, close) in [("[", "", "]"), (r#"{"a":"#, "1", "}")] {
            let (open, close) = (open.repeat(100_000), close.repeat(100_000));
            let body = format!("{open}{inner}{close}");
            assert!(canonical(body.as_bytes()).is_none());
        }
    }
}
