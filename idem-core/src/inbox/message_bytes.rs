//! The bytes of a message's id, key or payload.
//!
//! Brokers give ids as text or as bytes, owned or borrowed. One type takes them all, so that
//! callers need no conversion, and a message that is handled at once copies nothing but what a
//! failure needs.

use std::borrow::Cow;
use std::fmt;

/// The bytes of an id or a payload, borrowed if possible.
///
/// # Examples
///
/// ```
/// use idem_core::MessageBytes;
///
/// let borrowed = MessageBytes::from("8e03978e-40d5");
/// let owned = MessageBytes::from(vec![0x8e, 0x03]);
/// ```
#[derive(Clone)]
pub struct MessageBytes<'m>(pub(super) Cow<'m, [u8]>);

impl<'m> From<&'m str> for MessageBytes<'m> {
    fn from(text: &'m str) -> Self {
        Self(Cow::Borrowed(text.as_bytes()))
    }
}

impl<'m> From<&'m String> for MessageBytes<'m> {
    fn from(text: &'m String) -> Self {
        Self(Cow::Borrowed(text.as_bytes()))
    }
}

impl From<String> for MessageBytes<'_> {
    fn from(text: String) -> Self {
        Self(Cow::Owned(text.into_bytes()))
    }
}

impl<'m> From<&'m [u8]> for MessageBytes<'m> {
    fn from(bytes: &'m [u8]) -> Self {
        Self(Cow::Borrowed(bytes))
    }
}

impl<'m, const N: usize> From<&'m [u8; N]> for MessageBytes<'m> {
    fn from(bytes: &'m [u8; N]) -> Self {
        Self(Cow::Borrowed(bytes))
    }
}

impl<'m> From<&'m Vec<u8>> for MessageBytes<'m> {
    fn from(bytes: &'m Vec<u8>) -> Self {
        Self(Cow::Borrowed(bytes))
    }
}

impl From<Vec<u8>> for MessageBytes<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Cow::Owned(bytes))
    }
}

/// The bytes can be secrets: `Debug` shows their number.
impl fmt::Debug for MessageBytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MessageBytes").field(&self.0.len()).finish()
    }
}
