//! What the API refuses in a body, whatever the database would store.

use std::ops::RangeInclusive;

use crate::problem::Problem;

/// The largest amount, in the smallest unit of a currency.
pub(crate) const MOST: i64 = 99_999_999;

/// A sum of money.
pub(crate) fn amount(field: &str, amount: i64) -> Result<(), Problem> {
    if (1..=MOST).contains(&amount) {
        return Ok(());
    }
    invalid(&format!("{field}: 1 to {MOST}, in the smallest unit"))
}

/// How many of something.
pub(crate) fn count(field: &str, count: i64, bounds: RangeInclusive<i64>) -> Result<(), Problem> {
    if bounds.contains(&count) {
        return Ok(());
    }
    let (first, last) = bounds.into_inner();
    invalid(&format!("{field}: {first} to {last}"))
}

/// A currency's code (ISO 4217), by its form alone.
pub(crate) fn currency(code: &str) -> Result<(), Problem> {
    if code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Ok(());
    }
    invalid("currency: three capital letters, as EUR")
}

/// A name that stands in an index.
pub(crate) fn name(field: &str, name: &str) -> Result<(), Problem> {
    if (1..=64).contains(&name.chars().count()) {
        return text(field, name);
    }
    invalid(&format!("{field}: 1 to 64 characters"))
}

/// An article: its name stands in paths.
pub(crate) fn sku(sku: &str) -> Result<(), Problem> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if (1..=64).contains(&sku.len()) && sku.bytes().all(is_plain) {
        return Ok(());
    }
    invalid("sku: 1 to 64 letters, digits, dots, dashes and underscores")
}

/// Any text. Only some databases can store U+0000; the API refuses it on all.
pub(crate) fn text(field: &str, text: &str) -> Result<(), Problem> {
    if text.contains('\0') {
        return invalid(&format!("{field}: leave out the NUL character, U+0000"));
    }
    Ok(())
}

fn invalid(detail: &str) -> Result<(), Problem> {
    Err(Problem::Invalid(detail.to_owned()))
}
