//! Durations such as `"1h 30m"` and sizes such as `"64KiB"`, read at compile time.
//!
//! ```text
//! text    = amount { amount }         spaces may stand between and within amounts
//! amount  = digits unit               "90m", "1h 30m", "1h30m", " 7 d "
//! ```
//!
//! Larger units stand first, and each one at most once, so that a text has one reading: "1h 1h" is
//! a slip of the pen, and "30m 1h" may be a missing digit. Numbers are whole. There are no months
//! and years, whose lengths differ, and no decimal sizes: "64KB" could be 64,000 or 65,536 bytes,
//! and which of them a limit means must not be a guess.

use std::ops::RangeInclusive;

/// Milliseconds of a duration such as `"24h"` or `"1h 30m"`, or the error text.
pub(crate) fn duration_ms(text: &str, bounds: &RangeInclusive<u64>) -> Result<u64, String> {
    DURATION.read(text, bounds)
}

/// Bytes of a size such as `"64KiB"`, or the error text.
pub(crate) fn size_bytes(text: &str, bounds: &RangeInclusive<u64>) -> Result<u64, String> {
    SIZE.read(text, bounds)
}

pub(crate) const SECOND: u64 = 1_000;
pub(crate) const MINUTE: u64 = 60 * SECOND;
pub(crate) const HOUR: u64 = 60 * MINUTE;
pub(crate) const DAY: u64 = 24 * HOUR;
pub(crate) const GIB: u64 = 1 << 30;

/// The names of units and their values, and which unit a wrong name probably means.
struct Units {
    /// Smallest first.
    known: &'static [(&'static str, u64)],
    /// Lower-case beginnings of wrong names, and the unit that is meant (`""`: none).
    ///
    /// `hours`, `Hrs` and `H` all begin with `h`. They are not accepted, only recognised: one
    /// spelling in all attributes is easier to search and to compare.
    mistaken: &'static [(&'static str, &'static str)],
    /// Offered for a number without a unit.
    common: [&'static str; 3],
    example: &'static str,
}

const DURATION: Units = Units {
    known: &[
        ("ms", 1),
        ("s", SECOND),
        ("m", MINUTE),
        ("h", HOUR),
        ("d", DAY),
        ("w", 7 * DAY),
    ],
    // The first beginning that fits counts: "month" must not become "m".
    mistaken: &[
        ("milli", "ms"),
        ("ms", "ms"),
        ("mo", ""),
        ("m", "m"),
        ("s", "s"),
        ("h", "h"),
        ("d", "d"),
        ("w", "w"),
    ],
    common: ["s", "m", "h"],
    example: "24h",
};

const SIZE: Units = Units {
    known: &[("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", GIB)],
    mistaken: &[("b", "B"), ("k", "KiB"), ("m", "MiB"), ("g", "GiB")],
    common: ["B", "KiB", "MiB"],
    example: "64KiB",
};

impl Units {
    /// The amount, if it is within the bounds, which the error spells in units.
    fn read(&self, text: &str, bounds: &RangeInclusive<u64>) -> Result<u64, String> {
        let total = self.sum(text)?;
        if bounds.contains(&total) {
            return Ok(total);
        }
        let (least, most) = (self.spell(*bounds.start()), self.spell(*bounds.end()));
        Err(format!(
            "\"{text}\" is out of bounds: at least \"{least}\", at most \"{most}\""
        ))
    }

    /// The sum of all amounts in the text, in milliseconds or bytes.
    ///
    /// A number that does not fit becomes `u64::MAX`, which every option's bounds exclude.
    fn sum(&self, text: &str) -> Result<u64, String> {
        let mut rest = text.trim();
        if rest.is_empty() {
            return Err(format!("how much? write for example \"{}\"", self.example));
        }
        let (mut total, mut smaller_than) = (0_u64, u64::MAX);
        while !rest.is_empty() {
            let (digits, after) = split_while(rest, |c| c.is_ascii_digit());
            let (unit, after) = split_while(after.trim_start(), char::is_alphabetic);
            let worth = self.worth(text, digits, unit)?;
            if worth >= smaller_than {
                return Err(format!(
                    "\"{text}\" is out of order: larger units stand first, each one once"
                ));
            }
            let part = digits
                .parse::<u64>()
                .ok()
                .and_then(|count| count.checked_mul(worth));
            // An overflow is refused as out of bounds, like any number that is too large.
            total = part
                .and_then(|part| total.checked_add(part))
                .unwrap_or(u64::MAX);
            smaller_than = worth;
            rest = after.trim_start();
        }
        Ok(total)
    }

    /// What one of the unit is worth. `digits` and `unit` are one amount of `text`.
    fn worth(&self, text: &str, digits: &str, unit: &str) -> Result<u64, String> {
        if digits.is_empty() || (unit.is_empty() && text.contains(['.', ','])) {
            return Err(format!(
                "\"{text}\" is not a whole number with a unit, such as \"{}\"",
                self.example
            ));
        }
        if unit.is_empty() {
            let [first, second, third] = self.common;
            return Err(format!(
                "`{digits}` has no unit; did you mean \"{digits}{first}\", \"{digits}{second}\" or \"{digits}{third}\"?"
            ));
        }
        let known = self.known.iter().find(|(name, _)| *name == unit);
        known
            .map(|(_, worth)| *worth)
            .ok_or_else(|| self.unknown(digits, unit))
    }

    fn unknown(&self, digits: &str, unit: &str) -> String {
        let lower = unit.to_lowercase();
        let meant = self
            .mistaken
            .iter()
            .find(|(start, _)| lower.starts_with(start));
        match meant {
            Some((_, meant)) if !meant.is_empty() => {
                format!("`{unit}` is not a unit; did you mean \"{digits}{meant}\"?")
            }
            _ => {
                let names: Vec<_> = self.known.iter().map(|(name, _)| *name).collect();
                format!("`{unit}` is not a unit; the units are {}", names.join(", "))
            }
        }
    }

    /// The amount in its largest unit that divides it: `3650d` and `1GiB`, as in the options'
    /// table.
    fn spell(&self, amount: u64) -> String {
        let fits = |(_, worth): &&(&str, u64)| amount.is_multiple_of(*worth) && amount >= *worth;
        match self.known.iter().rev().find(fits) {
            Some((name, worth)) => format!("{}{name}", amount / worth),
            None => amount.to_string(),
        }
    }
}

fn split_while(text: &str, keep: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !keep(c)).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: RangeInclusive<u64> = 0..=u64::MAX - 1;

    fn ms(text: &str) -> Result<u64, String> {
        duration_ms(text, &ANY)
    }

    #[test]
    fn durations_are_sums_of_units() {
        assert_eq!(ms("5ms"), Ok(5));
        assert_eq!(ms("24h"), Ok(86_400_000));
        assert_eq!(ms("1h 30m"), Ok(5_400_000));
        assert_eq!(ms("1h30m"), Ok(5_400_000));
        assert_eq!(ms("2w"), Ok(14 * DAY));
        assert_eq!(ms(" 7 d "), Ok(7 * DAY));
    }

    #[test]
    fn sizes_are_binary() {
        assert_eq!(size_bytes("512B", &ANY), Ok(512));
        assert_eq!(size_bytes("64KiB", &ANY), Ok(65_536));
        assert_eq!(size_bytes("1MiB", &ANY), Ok(1_048_576));
        assert_eq!(size_bytes("1 GiB", &ANY), Ok(GIB));
    }

    #[test]
    fn a_number_without_a_unit_gets_three_suggestions() {
        assert_eq!(
            ms("24").unwrap_err(),
            "`24` has no unit; did you mean \"24s\", \"24m\" or \"24h\"?"
        );
    }

    #[test]
    fn a_mistaken_unit_gets_the_intended_one_as_a_suggestion() {
        let meant = |text| ms(text).unwrap_err();
        assert!(meant("24hours").contains("did you mean \"24h\"?"));
        assert!(meant("5min").contains("did you mean \"5m\"?"));
        assert!(meant("5MS").contains("did you mean \"5ms\"?"));
        assert!(meant("1month").contains("the units are ms, s, m, h, d, w"));
        assert!(
            size_bytes("64KB", &ANY)
                .unwrap_err()
                .contains("did you mean \"64KiB\"?")
        );
        assert!(
            size_bytes("2M", &ANY)
                .unwrap_err()
                .contains("did you mean \"2MiB\"?")
        );
    }

    #[test]
    fn invalid_durations_are_refused() {
        for text in [
            "", "h", "1.5h", "-1h", "1h, 30m", "1h 30", "30m 1h", "1h 1h",
        ] {
            assert!(ms(text).is_err(), "{text}");
        }
        assert_eq!(
            ms("1.5").unwrap_err(),
            "\"1.5\" is not a whole number with a unit, such as \"24h\""
        );
    }

    #[test]
    fn durations_beyond_either_bound_are_refused() {
        let bounds = SECOND..=HOUR;
        assert_eq!(duration_ms("1s", &bounds), Ok(SECOND));
        assert_eq!(duration_ms("1h", &bounds), Ok(HOUR));
        let text = "is out of bounds: at least \"1s\", at most \"1h\"";
        assert!(duration_ms("999ms", &bounds).unwrap_err().contains(text));
        assert!(duration_ms("1h 1ms", &bounds).unwrap_err().contains(text));
        assert!(
            duration_ms("99999999999999999999w", &bounds)
                .unwrap_err()
                .contains(text)
        );
    }
}
