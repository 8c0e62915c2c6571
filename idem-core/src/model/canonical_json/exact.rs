//! A second JSON reader, with which tests compare the first one.
//!
//! It keeps each number as the decimal in the text, digit by digit, and never as a double.

use std::collections::BTreeMap;
use std::str::Chars;

/// What a JSON text says, without loss.
#[derive(Debug, PartialEq)]
pub(super) enum Exact {
    /// `null`, `true` or `false`.
    Word(&'static str),
    /// Written out in full, without an exponent and without zeros that add nothing.
    Number(String),
    Text(String),
    Array(Vec<Self>),
    Object(BTreeMap<String, Self>),
}

impl Exact {
    /// `None` if the text is not JSON, has a name twice, or a number with too many digits.
    pub(super) fn read(json: &[u8]) -> Option<Self> {
        let mut reader = Reader(std::str::from_utf8(json).ok()?.chars());
        let value = reader.value()?;
        reader.skip_space();
        reader.0.next().is_none().then_some(value)
    }
}

struct Reader<'a>(Chars<'a>);

impl Reader<'_> {
    fn value(&mut self) -> Option<Exact> {
        self.skip_space();
        match self.0.clone().next()? {
            '{' => self.object(),
            '[' => self.array(),
            '"' => self.text().map(Exact::Text),
            '-' | '0'..='9' => self.number(),
            _ => ["null", "true", "false"]
                .into_iter()
                .find(|word| self.takes(word))
                .map(Exact::Word),
        }
    }

    fn object(&mut self) -> Option<Exact> {
        let mut members = BTreeMap::new();
        self.list("{", "}", |reader| {
            reader.skip_space();
            let name = reader.text()?;
            reader.skip_space();
            let value = reader.takes(":").then(|| reader.value())??;
            members.insert(name, value).is_none().then_some(())
        })?;
        Some(Exact::Object(members))
    }

    fn array(&mut self) -> Option<Exact> {
        let mut items = Vec::new();
        self.list("[", "]", |reader| {
            items.push(reader.value()?);
            Some(())
        })?;
        Some(Exact::Array(items))
    }

    fn list(
        &mut self,
        open: &str,
        close: &str,
        mut item: impl FnMut(&mut Self) -> Option<()>,
    ) -> Option<()> {
        self.takes(open).then_some(())?;
        self.skip_space();
        if self.takes(close) {
            return Some(());
        }
        loop {
            item(self)?;
            self.skip_space();
            if self.takes(close) {
                return Some(());
            }
            self.takes(",").then_some(())?;
        }
    }

    fn text(&mut self) -> Option<String> {
        self.takes("\"").then_some(())?;
        let mut units = Vec::new();
        loop {
            match self.0.next()? {
                '"' => return String::from_utf16(&units).ok(),
                '\\' => units.push(self.escape()?),
                '\0'..='\x1f' => return None,
                other => units.extend_from_slice(other.encode_utf16(&mut [0; 2])),
            }
        }
    }

    fn escape(&mut self) -> Option<u16> {
        Some(match self.0.next()? {
            'u' => {
                let digits: String = self.0.by_ref().take(4).collect();
                let is_hex = digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_hexdigit());
                return is_hex.then(|| u16::from_str_radix(&digits, 16).ok())?;
            }
            'b' => 8,
            't' => 9,
            'n' => 10,
            'f' => 12,
            'r' => 13,
            same @ ('"' | '\\' | '/') => u16::try_from(u32::from(same)).ok()?,
            _ => return None,
        })
    }

    fn number(&mut self) -> Option<Exact> {
        let sign = if self.takes("-") { "-" } else { "" };
        let whole = self.digits();
        let fraction = match self.takes(".") {
            true => Some(self.digits()),
            false => None,
        };
        let exponent = match self.takes("e") || self.takes("E") {
            true => {
                let is_negative = !self.takes("+") && self.takes("-");
                let digits: i64 = self.digits().parse().ok()?;
                if is_negative { -digits } else { digits }
            }
            false => 0,
        };
        let is_legal = !whole.is_empty()
            && (whole == "0" || !whole.starts_with('0'))
            && fraction.as_ref().is_none_or(|digits| !digits.is_empty());
        let written =
            is_legal.then(|| written_out(&whole, &fraction.unwrap_or_default(), exponent))??;
        let sign = if written == "0" { "" } else { sign };
        Some(Exact::Number(format!("{sign}{written}")))
    }

    fn digits(&mut self) -> String {
        let rest = self.0.as_str();
        let end = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        let (digits, rest) = rest.split_at(end);
        self.0 = rest.chars();
        digits.to_owned()
    }

    fn takes(&mut self, text: &str) -> bool {
        let rest = self.0.as_str().strip_prefix(text);
        self.0 = rest.unwrap_or(self.0.as_str()).chars();
        rest.is_some()
    }

    fn skip_space(&mut self) {
        self.0 = self
            .0
            .as_str()
            .trim_start_matches([' ', '\t', '\n', '\r'])
            .chars();
    }
}

/// Moves the point by the exponent, one zero at a time.
fn written_out(whole: &str, fraction: &str, exponent: i64) -> Option<String> {
    let (mut whole, mut fraction) = (whole.to_owned(), fraction.to_owned());
    if exponent.unsigned_abs() > 20_000 {
        return None;
    }
    for _ in 0..exponent {
        whole.push(if fraction.is_empty() {
            '0'
        } else {
            fraction.remove(0)
        });
    }
    for _ in exponent..0 {
        fraction.insert(0, whole.pop().unwrap_or('0'));
    }
    let (whole, fraction) = (
        whole.trim_start_matches('0'),
        fraction.trim_end_matches('0'),
    );
    let whole = if whole.is_empty() { "0" } else { whole };
    Some(match fraction {
        "" => whole.to_owned(),
        _ => format!("{whole}.{fraction}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_plain_decimals() {
        for (number, expected) in [
            ("-0", "0"),
            ("0e20000", "0"),
            ("12.50", "12.5"),
            ("-1.5E+2", "-150"),
            ("120e-3", "0.12"),
            ("100e-2", "1"),
        ] {
            let read = Exact::read(number.as_bytes());
            assert_eq!(read, Some(Exact::Number(expected.to_owned())), "{number}");
        }
    }

    #[test]
    fn text_that_is_not_json_is_not_read() {
        for json in [
            "",
            "01",
            "1.",
            ".1",
            "-",
            "1e",
            "+1",
            "nul",
            "[1,]",
            "{\"a\"}",
            "\"\\ud800\"",
            "\"\\x\"",
            "\"\\u00é\"",
            "{\"a\":1,\"a\":1}",
            "1 1",
            "\u{feff}1",
            "[",
            "\"a",
        ] {
            assert_eq!(Exact::read(json.as_bytes()), None, "{json}");
        }
    }
}
