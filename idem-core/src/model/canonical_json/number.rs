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

/// Splits the text after the number that it begins with, which may be none.
pub(super) fn split(text: &str) -> (&str, &str) {
    let in_number = |byte: &u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
    let end = text.bytes().position(|byte| !in_number(&byte));
    text.split_at(end.unwrap_or(text.len()))
}

/// Writes the canonical form of a number. `None` if it is no number, or if the form is not the same
/// decimal as the number.
pub(super) fn write(number: &str, form: &mut Vec<u8>) -> Option<()> {
    let parts = Parts::of(number)?;
    if parts.fraction.is_none() && parts.exponent.is_none() {
        // RFC 7493, section 2.2.
        let is_exact = number.parse::<i64>().ok()?.unsigned_abs() <= 1 << 53;
        let text = if parts.whole == "0" { "0" } else { number };
        form.extend_from_slice(text.as_bytes());
        return is_exact.then_some(());
    }
    if !parts.has_few_digits() {
        return None;
    }
    let mut buffer = ryu_js::Buffer::new();
    let text = buffer.format(number.parse::<f64>().ok()?);
    let is_exact = parts.decimal()? == Parts::of(text)?.decimal()?;
    form.extend_from_slice(text.as_bytes());
    is_exact.then_some(())
}

/// A number in the notation of JSON.
struct Parts<'n> {
    is_negative: bool,
    whole: &'n str,
    fraction: Option<&'n str>,
    exponent: Option<&'n str>,
}

/// A decimal number. Two are equal exactly if they have the same value.
#[derive(Debug, PartialEq)]
struct Decimal {
    is_negative: bool,
    /// Without zeros at the end.
    digits: u64,
    /// The power of ten after the digits.
    exponent: i64,
}

impl<'n> Parts<'n> {
    /// `None` if it is no number: RFC 8259, section 6.
    fn of(number: &'n str) -> Option<Self> {
        let (mantissa, exponent) = match number.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, Some(exponent)),
            None => (number, None),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (mantissa, None),
        };
        let (is_negative, whole) = match whole.strip_prefix('-') {
            Some(whole) => (true, whole),
            None => (false, whole),
        };
        let unsigned =
            exponent.map(|exponent| exponent.strip_prefix(['+', '-']).unwrap_or(exponent));
        let mut digits = [Some(whole), fraction, unsigned].into_iter().flatten();
        let are_digits =
            digits.all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
        let has_leading_zero = whole.len() > 1 && whole.starts_with('0');
        (are_digits && !has_leading_zero).then_some(Self {
            is_negative,
            whole,
            fraction,
            exponent,
        })
    }

    /// Whether it has at most 15 digits and no large exponent.
    ///
    /// Some longer numbers are exact too. They have no form either: existing records were compared
    /// by the bytes of such numbers.
    fn has_few_digits(&self) -> bool {
        let digits = self.digits().skip_while(|digit| *digit == 0);
        let exponent = self.exponent.unwrap_or("0").parse::<i32>();
        digits.count() <= 15 && exponent.is_ok_and(|exponent| exponent.abs() <= 250)
    }

    /// `None` if it has more than 19 digits.
    fn decimal(&self) -> Option<Decimal> {
        let (mut digits, mut zeros) = (0_u64, 0_u32);
        for digit in self.digits() {
            if digit == 0 {
                zeros += u32::from(digits > 0);
                continue;
            }
            let shift = 10_u64.checked_pow(zeros + 1)?;
            digits = digits.checked_mul(shift)?.checked_add(u64::from(digit))?;
            zeros = 0;
        }
        if digits == 0 {
            // Zero has no sign (RFC 8785, section 3.2.2.3) and no exponent.
            return Some(Decimal {
                is_negative: false,
                digits,
                exponent: 0,
            });
        }
        let exponent: i64 = self.exponent.unwrap_or("0").parse().ok()?;
        let fraction = i64::try_from(self.fraction.unwrap_or_default().len()).ok()?;
        Some(Decimal {
            is_negative: self.is_negative,
            digits,
            exponent: exponent.checked_add(zeros.into())?.checked_sub(fraction)?,
        })
    }

    fn digits(&self) -> impl Iterator<Item = u8> {
        let fraction = self.fraction.unwrap_or_default();
        self.whole
            .bytes()
            .chain(fraction.bytes())
            .map(|digit| digit - b'0')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_exact(number: &str) -> bool {
        write(number, &mut Vec::new()).is_some()
    }

    fn decimal(number: &str) -> Decimal {
        Parts::of(number).unwrap().decimal().unwrap()
    }

    #[test]
    fn equal_decimals_compare_equal_in_any_notation() {
        for same in [
            ["100", "1e2"],
            ["1.50", "15E-1"],
            ["-0.0", "0e7"],
            ["-0.012", "-12e-3"],
            ["0.00001e5", "1.0"],
        ] {
            let [a, b] = same.map(decimal);
            assert_eq!(a, b);
        }
        for different in [["1", "-1"], ["1", "10"], ["0.1", "0.01"], ["12", "1.2e2"]] {
            let [a, b] = different.map(decimal);
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
