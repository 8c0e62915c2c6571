//! What a client is asked to authenticate with.

use std::fmt;
use std::str::FromStr;

/// The value of a `WWW-Authenticate` field: one challenge or a list of them.
///
/// Follows [RFC 9110, section 11.6.1]: a scheme, such as `Bearer`, and what belongs to it.
///
/// It is checked when the application starts, since a wrong one would be found by the first client
/// that is not authenticated. Printable ASCII alone is accepted, so no text can add a header line.
///
/// # Examples
///
/// ```
/// use idem_axum::Challenge;
/// let challenge: Challenge = r#"Bearer realm="payments""#.parse()?;
/// assert_eq!(challenge.as_str(), r#"Bearer realm="payments""#);
/// assert!("\"Bearer\"".parse::<Challenge>().is_err());
/// # Ok::<(), idem_axum::InvalidChallenge>(())
/// ```
///
/// [RFC 9110, section 11.6.1]: https://www.rfc-editor.org/rfc/rfc9110#section-11.6.1
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Challenge(Box<str>);

/// A text that cannot stand in `WWW-Authenticate`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "a challenge begins with a scheme, is printable ASCII without space at its ends, and closes its quotes"
)]
pub struct InvalidChallenge;

impl Challenge {
    /// The text as it is sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Challenge {
    type Err = InvalidChallenge;

    fn from_str(text: &str) -> Result<Self, InvalidChallenge> {
        let is_printable = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        let scheme = text.split([' ', ',']).next().unwrap_or_default();
        let has_scheme = !scheme.is_empty() && scheme.bytes().all(is_of_token);
        if is_printable && has_scheme && !text.ends_with(' ') && closes_its_quotes(text) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidChallenge)
        }
    }
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// RFC 9110, section 5.6.2.
fn is_of_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn closes_its_quotes(text: &str) -> bool {
    let (mut is_open, mut bytes) = (false, text.bytes());
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => is_open = !is_open,
            b'\\' if is_open => drop(bytes.next()),
            _ => {}
        }
    }
    !is_open
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_challenges_parse_unchanged() {
        for text in [
            "Negotiate",
            "Bearer realm=\"payments\", error=\"invalid_token\"",
            "Basic realm=\"say \\\"please\\\"\", DPoP algs=\"ES256\"",
            "Negotiate oYG2MIGzoAMKAQE=",
        ] {
            assert_eq!(text.parse::<Challenge>().unwrap().as_str(), text);
        }
    }

    #[test]
    fn malformed_challenges_are_refused() {
        for text in [
            "",
            " Bearer",
            "Bearer ",
            ", Bearer",
            "\"Bearer\"",
            "Bearer realm=\"open",
            "Bearer realm=\"open\\\"",
            "Bearer\r\nset-cookie: a=b",
            "Bearer realm=\"\u{e4}\"",
            "Bearer\trealm=\"a\"",
            "Bearer\0",
        ] {
            assert_eq!(text.parse::<Challenge>(), Err(InvalidChallenge), "{text:?}");
        }
    }
}
