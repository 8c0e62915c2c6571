//! The canonical form of a JSON body, where there is one without loss.

use std::collections::HashSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// The RFC 8785 form of a body, or `None` when two different bodies could get the same one.
///
/// That is so for invalid JSON, duplicate names, integers beyond 2^53 and decimals that a
/// double does not hold exactly as written: a changed amount must never look equal.
pub(crate) fn canonical(body: &[u8]) -> Option<Vec<u8>> {
    serde_json::from_slice::<Lossless>(body).ok()?;
    let value: serde_json::Value = serde_json::from_slice(body).ok()?;
    serde_json_canonicalizer::to_vec(&value).ok()
}

/// Deserializes only from JSON that a canonical form loses nothing of.
struct Lossless;

impl<'de> Deserialize<'de> for Lossless {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?.get();
        let checked = match raw.as_bytes().first() {
            Some(b'{') => serde_json::Deserializer::from_str(raw).deserialize_map(Members),
            Some(b'[') => serde_json::Deserializer::from_str(raw).deserialize_seq(Members),
            Some(b'-' | b'0'..=b'9') if !is_exact(raw) => return Err(D::Error::custom("number")),
            _ => return Ok(Self),
        };
        checked.map_err(D::Error::custom)
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Lossless;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or an array")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Lossless, A::Error> {
        let mut names = HashSet::new();
        while let Some((name, _)) = map.next_entry::<String, Lossless>()? {
            if !names.insert(name) {
                return Err(A::Error::custom("duplicate name"));
            }
        }
        Ok(Lossless)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Lossless, A::Error> {
        while seq.next_element::<Lossless>()?.is_some() {}
        Ok(Lossless)
    }
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
