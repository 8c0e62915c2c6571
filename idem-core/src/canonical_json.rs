//! The canonical form of a JSON body, where there is one without loss.

use std::collections::HashSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// The RFC 8785 form of a body, or `None` when two different bodies could get the same one.
///
/// That is so for invalid JSON, duplicate names, integers beyond 2^53 and decimals that a
/// double does not hold exactly as written: a changed amount must never look equal. A body
/// nested deeper than the parser goes has none either.
pub(crate) fn canonical(body: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(body).ok()?;
    serde_json::from_str::<DistinctNames>(text).ok()?;
    if !numbers_are_exact(text) {
        return None;
    }
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    serde_json_canonicalizer::to_vec(&value).ok()
}

/// Deserializes only from JSON whose objects have no name twice.
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

/// Looks at the numbers of valid JSON as they are written, which the parser does not keep.
fn numbers_are_exact(json: &str) -> bool {
    let mut rest = json;
    while let Some(start) = rest.find(|c: char| matches!(c, '"' | '-' | '0'..='9')) {
        let (_, token) = rest.split_at(start);
        if token.starts_with('"') {
            rest = after_string(token);
            continue;
        }
        let in_number = |c: char| matches!(c, '0'..='9' | '+' | '-' | '.' | 'e' | 'E');
        let end = token.find(|c| !in_number(c)).unwrap_or(token.len());
        let (number, after) = token.split_at(end);
        if !is_exact(number) {
            return false;
        }
        rest = after;
    }
    true
}

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

/// Whether a double holds the number exactly as it is written.
fn is_exact(number: &str) -> bool {
    let mantissa_end = number.find(['e', 'E']).unwrap_or(number.len());
    let (mantissa, exponent) = number.split_at(mantissa_end);
    if mantissa_end == number.len() && !mantissa.contains('.') {
        // RFC 7493, section 2.2: integers up to 2^53 are exact.
        return number
            .parse::<i64>()
            .is_ok_and(|n| n.unsigned_abs() <= 1 << 53);
    }
    // Any decimal of 15 significant digits survives a double; exponents stay far from its ends.
    let digits = mantissa
        .bytes()
        .filter(u8::is_ascii_digit)
        .skip_while(|digit| *digit == b'0');
    let exponent = exponent.trim_start_matches(['e', 'E']);
    digits.count() <= 15
        && (exponent.is_empty() || exponent.parse::<i32>().is_ok_and(|e| e.abs() <= 250))
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
    fn what_a_double_cannot_hold_has_none() {
        let bodies = [
            "9007199254740993",
            "[{\"a\":9007199254740993}]",
            "0.10000000000000000001",
            "1e400",
            "1e-400",
            "99999999999999999999",
            r#"{"a\\\"":"\\\\","b":9007199254740993}"#,
        ];
        for body in bodies {
            assert!(canonical(body.as_bytes()).is_none(), "{body}");
        }
    }

    #[test]
    fn duplicate_names_and_broken_json_have_none() {
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
    fn a_body_nested_too_deep_has_none_and_ends_nothing() {
        for (open, inner, close) in [("[", "", "]"), (r#"{"a":"#, "1", "}")] {
            let (open, close) = (open.repeat(100_000), close.repeat(100_000));
            let body = format!("{open}{inner}{close}");
            assert!(canonical(body.as_bytes()).is_none());
        }
    }

    proptest::proptest! {
        #[test]
        fn different_integers_never_look_equal(a: i64, b: i64) {
            let form = |n: i64| {
                let body = format!("{{\"amount\":{n}}}").into_bytes();
                canonical(&body).unwrap_or(body)
            };
            proptest::prop_assert_eq!(a == b, form(a) == form(b));
        }
    }
}
