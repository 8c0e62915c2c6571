//! The key that a client sends to mark retries of one request.
//!
//! A key is a Structured Field String (RFC 9651, section 3.3.3), and bare in practice. Both are
//! reduced to the same text, so a client that changes its notation between two retries is still
//! recognised. Nothing is normalised beyond that: keys that differ in case differ.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

/// A validated idempotency key.
///
/// The client makes one key per request and sends it with every retry of that request. A key is
/// 1 to 255 characters of printable ASCII, such as a UUID. The same key in another scope or
/// operation is another key. Follows [draft-ietf-httpapi-idempotency-key-header-07].
///
/// Use [`from_field`](Self::from_field) for the value of a header, [`str::parse`] for a key that
/// is stored or typed without quotes.
///
/// A key can be a secret, since a retry with it gets the stored response. So `Debug` shows its
/// [`digest`](Self::digest) only.
///
/// # Examples
///
/// ```
/// # use idem_core::IdempotencyKey;
/// let key: IdempotencyKey = "8e03978e-40d5-43e8-bc93-6894a57f9324".parse()?;
/// assert_eq!(key.as_str().len(), 36);
/// // The quoted form of the draft and the bare form most clients send are the same key.
/// assert_eq!(IdempotencyKey::from_field(b"\"abc\"")?, IdempotencyKey::from_field(b"abc")?);
/// # Ok::<(), idem_core::InvalidKey>(())
/// ```
///
/// [draft-ietf-httpapi-idempotency-key-header-07]:
///     https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-idempotency-key-header-07
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct IdempotencyKey(Box<str>);

impl IdempotencyKey {
    /// The longest key, in characters.
    pub const MAX_LEN: usize = 255;

    /// Reads the value of an `Idempotency-Key` field, quoted or bare.
    ///
    /// # Errors
    ///
    /// [`InvalidKey`] says what is wrong; the text never repeats the value.
    ///
    /// # Examples
    ///
    /// ```
    /// use idem_core::{IdempotencyKey, InvalidKey};
    ///
    /// assert_eq!(IdempotencyKey::from_field(b"order-17")?.as_str(), "order-17");
    /// // A space needs the quoted form, as do a comma and a quote.
    /// assert_eq!(IdempotencyKey::from_field(b"order 17"), Err(InvalidKey::Character));
    /// assert_eq!(IdempotencyKey::from_field(b"\"order 17\"")?.as_str(), "order 17");
    /// # Ok::<(), InvalidKey>(())
    /// ```
    pub fn from_field(value: &[u8]) -> Result<Self, InvalidKey> {
        let text = field_text(value)?;
        if text.starts_with('"') {
            return Self::quoted(text);
        }
        if text.contains(['"', ',']) {
            return Err(InvalidKey::NotOneItem);
        }
        if text.contains(' ') {
            return Err(InvalidKey::Character);
        }
        text.parse()
    }

    /// Reads the value of an `Idempotency-Key` field that must be a quoted string.
    ///
    /// The draft demands the quoted form, most clients send the bare one. Use this one only if all
    /// clients of an API are known to follow the draft.
    ///
    /// # Errors
    ///
    /// [`InvalidKey::NotQuoted`] for the bare form, else as [`from_field`](Self::from_field).
    ///
    /// # Examples
    ///
    /// ```
    /// use idem_core::{IdempotencyKey, InvalidKey};
    ///
    /// assert!(IdempotencyKey::from_strict_field(b"\"order-17\"").is_ok());
    /// assert_eq!(IdempotencyKey::from_strict_field(b"order-17"), Err(InvalidKey::NotQuoted));
    /// ```
    pub fn from_strict_field(value: &[u8]) -> Result<Self, InvalidKey> {
        let text = field_text(value)?;
        if !text.is_empty() && !text.starts_with('"') {
            return Err(InvalidKey::NotQuoted);
        }
        Self::quoted(text)
    }

    fn quoted(text: &str) -> Result<Self, InvalidKey> {
        let item: sfv::Item = sfv::Parser::new(text)
            .parse()
            .map_err(|_| InvalidKey::NotOneItem)?;
        match item.bare_item {
            sfv::BareItem::String(key) => key.as_str().parse(),
            _ => Err(InvalidKey::NotOneItem),
        }
    }

    /// The key of a message: its id, or the id's digest if the databases cannot store the id.
    ///
    /// No two ids have the same key: an id that looks like a digest or a business key is hashed.
    pub(crate) fn of_message(id: &[u8], is_business_key: bool) -> Option<Self> {
        if id.is_empty() {
            return None;
        }
        let prefix = if is_business_key { "key:" } else { "" };
        let plain = std::str::from_utf8(id).ok().filter(|text| {
            let is_reserved = text.starts_with("sha256:") || text.starts_with("key:");
            prefix.len() + text.len() <= Self::MAX_LEN
                && !text.chars().any(char::is_control)
                && (is_business_key || !is_reserved)
        });
        if let Some(text) = plain {
            return Some(Self(format!("{prefix}{text}").into()));
        }
        let kind = [u8::from(is_business_key)];
        let digest = Sha256::new().chain_update(kind).chain_update(id).finalize();
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        Some(Self(format!("sha256:{hex}").into()))
    }

    /// A key read from a record.
    pub(crate) fn stored(text: String) -> Self {
        Self(text.into())
    }

    /// The key without the quotes of the header.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A short digest for logs, which must not contain the key.
    ///
    /// Idem's own log lines and spans contain this digest, so that an operator who has a key can
    /// find them.
    ///
    /// # Examples
    ///
    /// ```
    /// # use idem_core::{IdempotencyKey, InvalidKey};
    /// let key: IdempotencyKey = "8e03978e-40d5-43e8-bc93-6894a57f9324".parse()?;
    /// assert_eq!(key.digest(), "238c5b6d");
    /// assert_eq!(format!("{key:?}"), "IdempotencyKey(#238c5b6d)");
    /// # Ok::<(), InvalidKey>(())
    /// ```
    pub fn digest(&self) -> String {
        let hash = Sha256::digest(self.0.as_bytes());
        hash.iter()
            .take(4)
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

/// Validates a key that is written without the quotes of the header.
impl FromStr for IdempotencyKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        match text.len() {
            0 => Err(InvalidKey::Empty),
            1..=Self::MAX_LEN if text.bytes().all(|byte| (0x20..=0x7e).contains(&byte)) => {
                Ok(Self(text.into()))
            }
            1..=Self::MAX_LEN => Err(InvalidKey::Character),
            _ => Err(InvalidKey::TooLong),
        }
    }
}

/// Keys can be secrets: `Debug` shows the digest only.
impl fmt::Debug for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdempotencyKey(#{})", self.digest())
    }
}

/// Why a key was refused. The texts name the rule, never the value.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidKey {
    /// Nothing was sent, or an empty string.
    #[error("the key is empty: send 1 to 255 characters")]
    Empty,
    /// More than [`IdempotencyKey::MAX_LEN`] characters.
    #[error("the key is longer than 255 characters")]
    TooLong,
    /// A character outside printable ASCII, or a space in the bare form.
    #[error("the key has a character other than printable ASCII (a space needs the quoted form)")]
    Character,
    /// Neither one quoted string nor one bare word: a list, a number, a broken quote.
    #[error("the field is not one string: send one key, such as \"8e03978e-40d5\"")]
    NotOneItem,
    /// The bare form, where only the quoted form is accepted.
    #[error("the key is not quoted: send it as a string in double quotes")]
    NotQuoted,
}

fn field_text(value: &[u8]) -> Result<&str, InvalidKey> {
    let text = std::str::from_utf8(value).map_err(|_| InvalidKey::Character)?;
    let text = text.trim_matches([' ', '\t']);
    if text.is_empty() {
        return Err(InvalidKey::Empty);
    }
    Ok(text)
}
