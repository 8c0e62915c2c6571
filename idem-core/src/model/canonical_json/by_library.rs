//! The canonical form as libraries make it, with which tests compare the reader's.
//!
//! Records of earlier builds hold digests of these forms.

use std::collections::HashSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// The form of a body, or `None` if it has none.
pub(super) fn canonical(body: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(body).ok()?;
    serde_json::from_str::<DistinctNames>(text).ok()?;
    if !keeps_its_meaning(text) {
        return None;
    }
    let value: Value = serde_json::from_str(text).ok()?;
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
            (is_exact(number), after)
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

/// Whether the canonical form of a number is the same decimal as the number.
fn is_exact(number: &str) -> bool {
    if !has_few_digits(number) {
        return false;
    }
    // A number has the same form alone and within a body.
    let form = serde_json::from_str::<Value>(number)
        .and_then(|value| serde_json_canonicalizer::to_string(&value));
    form.is_ok_and(|form| decimal(number).is_some_and(|value| Some(value) == decimal(&form)))
}

/// Whether it is an integer up to 2^53 (RFC 7493, section 2.2) or a decimal of at most 15 digits.
///
/// Some longer numbers are exact too. They have no form either: existing records were compared by
/// the bytes of such numbers.
fn has_few_digits(number: &str) -> bool {
    let (mantissa, exponent) = split_exponent(number);
    if exponent.is_none() && !mantissa.contains('.') {
        return number
            .parse::<i64>()
            .is_ok_and(|n| n.unsigned_abs() <= 1 << 53);
    }
    let digits = mantissa
        .bytes()
        .filter(u8::is_ascii_digit)
        .skip_while(|digit| *digit == b'0');
    digits.count() <= 15
        && exponent
            .unwrap_or("0")
            .parse::<i32>()
            .is_ok_and(|e| e.abs() <= 250)
}

/// A decimal number. Two are equal exactly if they have the same value.
#[derive(Debug, PartialEq)]
struct Decimal {
    is_negative: bool,
    /// Without zeros at either end.
    digits: String,
    /// The power of ten after the digits.
    exponent: i64,
}

fn decimal(number: &str) -> Option<Decimal> {
    let (mantissa, exponent) = split_exponent(number);
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let (is_negative, whole) = match whole.strip_prefix('-') {
        Some(whole) => (true, whole),
        None => (false, whole),
    };
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    let significant = digits.trim_end_matches('0');
    if significant.is_empty() {
        // Zero has no sign (RFC 8785, section 3.2.2.3) and no exponent.
        return Some(Decimal {
            is_negative: false,
            digits: String::new(),
            exponent: 0,
        });
    }
    let exponent: i64 = exponent.unwrap_or("0").parse().ok()?;
    let zeros = i64::try_from(digits.len() - significant.len()).ok()?;
    let fraction = i64::try_from(fraction.len()).ok()?;
    Some(Decimal {
        is_negative,
        digits: significant.to_owned(),
        exponent: exponent.checked_add(zeros)?.checked_sub(fraction)?,
    })
}

fn split_exponent(number: &str) -> (&str, Option<&str>) {
    match number.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (number, None),
    }
}
