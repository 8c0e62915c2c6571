//! A message as the broker has delivered it.

use std::borrow::Cow;
use std::fmt;

use crate::{Fingerprint, FingerprintBy, FingerprintInput, IdempotencyKey, Scope};

/// A delivery of a message: what it is known by, and what is kept of it when it fails.
///
/// Anything with bytes can stand for a message that has an id and nothing else.
///
/// # Examples
///
/// ```
/// # use idem_core::{Message, Scope};
/// # let (payload, sequence) = (br#"{"amount": 1250}"#, 42);
/// let message = Message::new("8e03978e-40d5")
///     .scope(Scope::new("acme")?)
///     .payload(payload)
///     .reference(format!("PAYMENTS:{sequence}"))
///     .delivery(2);
/// # Ok::<(), idem_core::InvalidScope>(())
/// ```
#[derive(Clone)]
pub struct Message<'m> {
    pub(super) id: Cow<'m, [u8]>,
    pub(super) business_key: Option<Cow<'m, [u8]>>,
    pub(super) scope: Option<Scope>,
    pub(super) fingerprint: Option<Fingerprint>,
    pub(super) payload: Option<Cow<'m, [u8]>>,
    pub(super) reference: Option<String>,
    pub(super) delivery: u64,
}

impl<'m> Message<'m> {
    /// A message by the id that its producer gave it, the same for each copy of it.
    ///
    /// 1 to 255 bytes are stored as they are; an id that is longer, or no text, or has control
    /// characters, is stored as its SHA-256.
    pub fn new(id: impl Into<MessageBytes<'m>>) -> Self {
        Self {
            id: id.into().0,
            business_key: None,
            scope: None,
            fingerprint: None,
            payload: None,
            reference: None,
            delivery: 1,
        }
    }

    /// What the message is known by instead of its id, such as the number of an order.
    ///
    /// For producers that send what is the same to the business under several ids. The key is
    /// bounded like an id, and never the same as one.
    #[must_use]
    pub fn business_key(mut self, key: impl Into<MessageBytes<'m>>) -> Self {
        self.business_key = Some(key.into().0);
        self
    }

    /// Whose message it is, where ids are unique within a tenant alone.
    #[must_use]
    pub fn scope(mut self, scope: Scope) -> Self {
        self.scope = Some(scope);
        self
    }

    /// The bytes that each copy of the message has in common, most often its payload.
    ///
    /// A message that comes with the id of another and other bytes is then
    /// [an error](crate::ProcessError::Reused), where it would be taken for a duplicate.
    #[must_use]
    pub fn fingerprint(mut self, bytes: &[u8]) -> Self {
        let input = FingerprintInput::new("", "", bytes);
        self.fingerprint = Some(Fingerprint::of(&input, FingerprintBy::Body).without_body());
        self
    }

    /// The payload, to be kept with a dead letter so that it can be handled later.
    ///
    /// What the database refuses, for being more than its `max_allowed_packet`, is not kept; so
    /// give a [reference](Self::reference) too where payloads may be large.
    #[must_use]
    pub fn payload(mut self, bytes: impl Into<MessageBytes<'m>>) -> Self {
        self.payload = Some(bytes.into().0);
        self
    }

    /// Where the payload is found, to be kept with a dead letter: a stream and its sequence.
    #[must_use]
    pub fn reference(mut self, reference: impl Into<String>) -> Self {
        self.reference = Some(reference.into());
        self
    }

    /// The how many-th delivery of the message this is, by the broker's count; 1 is the first.
    #[must_use]
    pub fn delivery(mut self, count: u64) -> Self {
        self.delivery = count;
        self
    }

    pub(super) fn key(&self) -> Option<IdempotencyKey> {
        match &self.business_key {
            Some(key) => IdempotencyKey::of_message(key, true),
            None => IdempotencyKey::of_message(&self.id, false),
        }
    }

    pub(super) fn is_redelivered(&self) -> bool {
        self.delivery > 1
    }
}

/// Bytes that a message consists of, borrowed where they can be.
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

impl<'m, B: Into<MessageBytes<'m>>> From<B> for Message<'m> {
    fn from(id: B) -> Self {
        Self::new(id)
    }
}

/// An id can be a secret, a payload anybody's: `Debug` shows the digest, and how long it is.
impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("key", &self.key())
            .field("scope", &self.scope)
            .field("payload", &self.payload.as_ref().map(|bytes| bytes.len()))
            .field("delivery", &self.delivery)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for MessageBytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MessageBytes").field(&self.0.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn debug_hides_the_id_and_the_payload() {
        let message = Message::new("secret").business_key("secret");
        let message = message.payload("secret").reference("secret");
        let shown = format!("{message:?} {:?}", MessageBytes::from("secret"));
        assert!(!shown.contains("secret"), "{shown}");
        // The bytes of the word.
        assert!(!shown.contains("115"), "{shown}");
    }

    /// Ids that look like what another id is stored as, or that no database stores as they are.
    fn id() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            any::<Vec<u8>>(),
            "(key:|sha256:){0,2}[a-b]{0,2}".prop_map(String::into_bytes),
            "(key:)?[é\\x00-\\x1f\\x7f-\\u{9f} a]{0,3}".prop_map(String::into_bytes),
            "(key:)?[a-b]{245,260}".prop_map(String::into_bytes),
            "sha256:[0-9a-f]{64}".prop_map(String::into_bytes),
        ]
    }

    fn key(id: &[u8], is_business_key: bool) -> Option<IdempotencyKey> {
        match is_business_key {
            true => Message::new("an id").business_key(id).key(),
            false => Message::new(id).key(),
        }
    }

    proptest! {
        #[test]
        fn different_identities_never_share_a_key(ids in vec((id(), any::<bool>()), 1..6)) {
            // A hostile producer also sends what the others are stored as.
            let stored = |(id, is_business_key): &(Vec<u8>, bool)| key(id, *is_business_key);
            let texts: Vec<_> = ids.iter().filter_map(stored).collect();
            let texts = texts.iter().map(|key| key.as_str().as_bytes().to_vec());
            let hostile = texts.flat_map(|text| [(text.clone(), false), (text, true)]);
            let all: HashSet<_> = ids.iter().cloned().chain(hostile).collect();
            let mut keys = HashSet::new();
            for (id, is_business_key) in all {
                let key = key(&id, is_business_key);
                prop_assert_eq!(key.is_none(), id.is_empty());
                if let Some(key) = key {
                    prop_assert!((1..=IdempotencyKey::MAX_LEN).contains(&key.as_str().len()));
                    prop_assert!(!key.as_str().contains(char::is_control));
                    prop_assert!(keys.insert(key), "{id:?} {is_business_key}");
                }
            }
        }

        #[test]
        fn the_same_identity_is_the_same_key_from_whatever_type(id: String) {
            let keys = [
                Message::new(id.as_str()),
                Message::new(&id),
                Message::new(id.clone()),
                Message::new(id.as_bytes()),
                Message::new(id.clone().into_bytes()),
            ];
            let keys = keys.map(|message| message.key());
            prop_assert!(keys.iter().all(|key| *key == keys[0]));
        }
    }
}
