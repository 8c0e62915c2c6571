//! A message, as a broker delivers it.

use std::borrow::Cow;
use std::fmt;

use super::message_bytes::MessageBytes;
use crate::{Fingerprint, FingerprintBy, FingerprintInput, IdempotencyKey, Scope};

/// A delivery of a message: its identity, and what a dead letter keeps of it.
///
/// Only the id is required, so [`Inbox::process`](crate::Inbox::process) also takes a string or
/// bytes in place of a message. Give as much of the rest as the broker knows:
///
/// * [`delivery`](Self::delivery), so that a message which crashes the worker is parked at last;
/// * [`payload`](Self::payload) or [`reference`](Self::reference), so that a dead letter can be
///   handled later;
/// * [`fingerprint`](Self::fingerprint) if producers are not trusted to choose unique ids.
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
    /// Creates a message with the id that its producer assigned, the same for each copy.
    ///
    /// Never use a delivery tag or a sequence number, which a replay of the stream changes. Ids of
    /// 1 to 255 bytes of text are stored unchanged. An id that is longer, not UTF-8, or contains
    /// control characters is stored as its SHA-256.
    ///
    /// # Examples
    ///
    /// ```
    /// use idem_core::Message;
    ///
    /// let by_text = Message::new("8e03978e-40d5");
    /// let by_bytes = Message::new(&[0x8e, 0x03, 0x97, 0x8e]);
    /// let owned = Message::new(String::from("8e03978e-40d5"));
    /// ```
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

    /// Sets what identifies the message instead of its id, such as the number of an order.
    ///
    /// Use it for producers that send the same message under several ids. The key has the same
    /// bounds as an id, and never equals one.
    ///
    /// # Examples
    ///
    /// ```
    /// use idem_core::Message;
    ///
    /// // Two events that both say "order 17 is paid": the second is a duplicate.
    /// let first = Message::new("event-1").business_key("order-17");
    /// let second = Message::new("event-2").business_key("order-17");
    /// ```
    #[must_use]
    pub fn business_key(mut self, key: impl Into<MessageBytes<'m>>) -> Self {
        self.business_key = Some(key.into().0);
        self
    }

    /// Sets the scope of the id, if ids are unique within a tenant only.
    ///
    /// Without it, the scope is [`Scope::global`].
    #[must_use]
    pub fn scope(mut self, scope: Scope) -> Self {
        self.scope = Some(scope);
        self
    }

    /// Sets the bytes that all copies of the message have in common, most often its payload.
    ///
    /// A message with a known id and other bytes is then [an error](crate::ProcessError::Reused).
    /// Without a fingerprint it is a duplicate.
    ///
    /// # Examples
    ///
    /// ```
    /// # use idem_core::Message;
    /// let payload = br#"{"order":17}"#;
    /// let message = Message::new("8e03978e-40d5").payload(payload).fingerprint(payload);
    /// ```
    #[must_use]
    pub fn fingerprint(mut self, bytes: &[u8]) -> Self {
        let input = FingerprintInput::new("", "", bytes);
        self.fingerprint = Some(Fingerprint::of(&input, FingerprintBy::Body).without_body());
        self
    }

    /// Sets the payload, which a dead letter keeps so that the message can be handled later.
    ///
    /// It is copied when the message is claimed, and written only if an attempt fails. A dead
    /// letter keeps the payload of the last failed attempt that had one.
    ///
    /// # Examples
    ///
    /// ```
    /// use idem_core::Message;
    ///
    /// let payload = vec![0x0a, 0x02, 0x08, 0x11];
    /// let message = Message::new("8e03978e-40d5").payload(payload).reference("PAYMENTS:42");
    /// // A payload can be a secret: only its length is shown.
    /// assert!(format!("{message:?}").contains("payload: Some(4)"));
    /// ```
    ///
    /// A payload that the database refuses, such as one beyond `max_allowed_packet`, is not kept.
    /// So give a [reference](Self::reference) too if payloads may be large.
    #[must_use]
    pub fn payload(mut self, bytes: impl Into<MessageBytes<'m>>) -> Self {
        self.payload = Some(bytes.into().0);
        self
    }

    /// Sets where the payload can be found, such as a stream and its sequence number, which a dead
    /// letter keeps.
    #[must_use]
    pub fn reference(mut self, reference: impl Into<String>) -> Self {
        self.reference = Some(reference.into());
        self
    }

    /// Sets the broker's delivery count; 1 is the first.
    ///
    /// From the second delivery on, an attempt is counted before it runs. So a message that crashes
    /// its worker is parked after as many attempts as any other.
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

impl<'m, B: Into<MessageBytes<'m>>> From<B> for Message<'m> {
    fn from(id: B) -> Self {
        Self::new(id)
    }
}

/// Ids and payloads can be secrets: `Debug` shows the id's digest and the payload's length.
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
        // A byte of the word, as a number.
        assert!(!shown.contains("115"), "{shown}");
    }

    /// Ids that look like the stored form of another id, or that no database stores unchanged.
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
        fn different_message_identities_never_share_a_key(ids in vec((id(), any::<bool>()), 1..6)) {
            // A hostile producer also sends the stored forms of the others.
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
        fn an_id_gives_the_same_key_from_each_type(id: String) {
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
