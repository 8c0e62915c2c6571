//! Which numbers of a JSON body have a canonical form.
//!
//! RFC 8785 writes a number as JavaScript writes a double (section 3.2.2.3). A decimal of up to 15
//! digits survives the way to a double and back; longer ones may not. The way is nevertheless tried
//! for each number and the decimals compared, so that an error of the parser or the writer is found
//! too:
//!
//! | number | form | exact |
//! | --- | --- | --- |
//! | `5.0`, `5e0` | `5` | yes |
//! | `0.1` | `0.1` | yes |
//! | `-0` | `0` | yes: zero has no sign |
//! | `9007199254740993` | – | no: beyond 2^53 |
//! | `0.1234567890123456` | – | no: 16 digits |
//! | `1e400` | – | no: an exponent beyond 250 |

use serde_json::Value;

/// Whether the canonical form of a number is the same decimal as the number.
pub(super) fn is_exact(number: &str) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_decimals_compare_equal_in_any_notation() {
        for same in [
            ["100", "1e2"],
            ["1.50", "15E-1"],
            ["-0.0", "0e7"],
            ["-0.012", "-12e-3"],
            ["0.00001e5", "1.0"],
        ] {
            let [a, b] = same.map(|number| decimal(number).unwrap());
            assert_eq!(a, b);
        }
        for different in [["1", "-1"], ["1", "10"], ["0.1", "0.01"], ["12", "1.2e2"]] {
            let [a, b] = different.map(|number| decimal(number).unwrap());
            assert_ne!(a, b);
        }
    }

    #[test]
    fn tiny_numbers_are_exact_only_if_a_double_holds_their_digits() {
        let small = |zeros: usize, digits: &str| format!("0.{}{digits}", "0".repeat(zeros));
        for (number, expected) in [
            (small(300, "1"), true),
            (small(307, "222507385850720"), true),
            (small(314, "123456789012345"), false),
            (small(323, "5"), true),
            (small(323, "494"), false),
            (small(323, "3"), false),
            (small(330, "1"), false),
            (small(330, "0"), true),
            (small(80, "1e-250"), false),
            (small(300, "1e250"), true),
            (small(500, "1e250"), true),
            ("0e-250".to_owned(), true),
            ("-0".to_owned(), true),
            ("-0.0E+0".to_owned(), true),
            (format!("1{}.0", "0".repeat(400)), false),
            ("123456789012345e250".to_owned(), true),
            ("1E251".to_owned(), false),
            ("1E400".to_owned(), false),
            ("1e99999999999999999999".to_owned(), false),
        ] {
            assert_eq!(is_exact(&number), expected, "{number}");
        }
    }
}
