//! The record: its name and the response in it.
//!
//! The three parts of a name are its primary key. They are stored as they are and not as one
//! digest: which attempt is first must not depend on a hash that two versions of an application
//! could compute differently. The lock's id is such a hash, and it is only an optimisation.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{IdempotencyKey, Scope};

/// The stable name of what is done once, such as `POST /payments` or `payments.create`.
///
/// The attribute names an operation by its method and route, with the names of path parameters
/// erased (`POST /orders/{}/pay`), unless `operation = "…"` gives another name. An operation that
/// gets a new name forgets its keys: a retry across the change runs again.
///
/// A name has 1 to 255 bytes and no control character. Names that begin with `inbox:` belong to
/// the consumers of an [`Inbox`](crate::Inbox), which share no record with an operation.
///
/// # Examples
///
/// ```
/// # use idem_core::Operation;
/// assert_eq!(Operation::new("POST /payments")?.as_str(), "POST /payments");
/// assert!(Operation::new("inbox:billing").is_err());
/// # Ok::<(), idem_core::InvalidOperation>(())
/// ```
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Operation(Arc<str>);

impl Operation {
    /// The longest operation, in bytes.
    pub const MAX_BYTES: usize = 255;

    /// Validates the name of an operation.
    ///
    /// # Errors
    ///
    /// [`InvalidOperation`] if the name is empty, longer than
    /// [`MAX_BYTES`](Self::MAX_BYTES), begins with `inbox:`, or contains a control character.
    pub fn new(name: &str) -> Result<Self, InvalidOperation> {
        if name.starts_with(Self::INBOX) {
            return Err(InvalidOperation);
        }
        Self::named(name.into())
    }

    /// The operation of a consumer of messages.
    pub(crate) fn of_consumer(name: &str) -> Result<Self, InvalidOperation> {
        if name.is_empty() {
            return Err(InvalidOperation);
        }
        Self::named(format!("{}{name}", Self::INBOX))
    }

    fn named(name: String) -> Result<Self, InvalidOperation> {
        let fits = (1..=Self::MAX_BYTES).contains(&name.len());
        if !fits || name.chars().any(char::is_control) {
            return Err(InvalidOperation);
        }
        Ok(Self(name.into()))
    }

    pub(crate) fn is_of_consumer(&self) -> bool {
        Self::is_consumers(&self.0)
    }

    const INBOX: &str = "inbox:";

    /// An operation read from a record.
    pub(crate) fn stored(name: String) -> Self {
        Self(name.into())
    }

    pub(crate) fn is_consumers(name: &str) -> bool {
        name.starts_with(Self::INBOX)
    }

    /// The name of the consumer, if this is the operation of one.
    pub(crate) fn consumer(&self) -> &str {
        self.0.strip_prefix(Self::INBOX).unwrap_or(&self.0)
    }

    /// The name, for a label of metrics.
    #[cfg(feature = "metrics")]
    pub(crate) fn shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }

    /// The operation as it is stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name of an operation is empty, too long or contains what no name may contain.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "an operation's name has 1 to 255 bytes, no control character, and does not begin with `inbox:`"
)]
pub struct InvalidOperation;

/// The name of a record: the primary key of its table.
///
/// # Examples
///
/// ```
/// use idem_core::{Operation, RecordName, Scope};
///
/// let name = RecordName {
///     scope: Scope::new("acme")?,
///     operation: Operation::new("POST /payments")?,
///     key: "8e03978e-40d5".parse()?,
/// };
/// // Keys can be secrets: only their digest is shown.
/// assert!(!format!("{name:?}").contains("8e03978e-40d5"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct RecordName {
    /// The party that the key belongs to.
    pub scope: Scope,
    /// What is done once.
    pub operation: Operation,
    /// What the client sends with every retry.
    pub key: IdempotencyKey,
}

impl RecordName {
    /// The 64-bit id of the lock of a running attempt.
    ///
    /// Two names may share an id. The later attempt is then refused as in flight although it is
    /// not, and its retry succeeds. The primary key, not the lock, decides who runs.
    pub(crate) fn lock_id(&self) -> i64 {
        let [a, b, c, d, e, f, g, h, ..] = self.digest(b"idem record v1");
        i64::from_be_bytes([a, b, c, d, e, f, g, h])
    }

    /// The digest that a tombstone consists of: the first 128 bits of a SHA-256.
    ///
    /// Rows contain it, so it never changes. It is a pseudonym: whoever guesses scope, operation and key
    /// can confirm the guess. For another name of the same digest one would have to try about 2^128 names.
    pub(crate) fn tombstone(&self) -> Uuid {
        let digest = self.digest(b"idem tombstone v1");
        let half = digest.first_chunk().copied();
        Uuid::from_bytes(half.unwrap_or_default())
    }

    fn digest(&self, purpose: &[u8]) -> [u8; 32] {
        Sha256::digest(self.bytes_after(purpose.to_vec())).into()
    }

    /// Adds scope, operation and key to the bytes, each after its length: no two names add the same.
    ///
    /// What is stored and what other services have seen is made of these bytes, so they never change.
    pub(crate) fn bytes_after(&self, mut bytes: Vec<u8>) -> Vec<u8> {
        let (scope, operation) = (self.scope.as_str(), self.operation.as_str());
        let parts = [scope, operation, self.key.as_str()];
        bytes.reserve(parts.iter().map(|part| 8 + part.len()).sum());
        for part in parts {
            bytes.extend((part.len() as u64).to_be_bytes());
            bytes.extend(part.as_bytes());
        }
        bytes
    }
}

/// `Debug` shows the key as its digest.
impl fmt::Debug for RecordName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordName")
            .field("scope", &self.scope.as_str())
            .field("operation", &self.operation.as_str())
            .field("key", &self.key)
            .finish()
    }
}

/// The response of a completed attempt, as the record keeps it and a retry replays it.
///
/// The parts are opaque here: `idem-axum` writes an HTTP response into them.
///
/// `Debug` shows the lengths of the parts, not their contents.
///
/// # Examples
///
/// ```
/// use idem_core::Completion;
///
/// let completion = Completion::new(201, Vec::new(), r#"{"id":17}"#);
/// assert_eq!(completion.status, 201);
/// assert_eq!(completion.reference, None);
/// ```
#[derive(Clone, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Completion {
    /// The status of the response. 500 is stored only if the handler ended Idem's transaction.
    pub status: u16,
    /// The header fields, encoded by the front end.
    pub headers: Vec<u8>,
    /// The body, byte for byte.
    pub body: Bytes,
    /// What the operation created: see [`Tx::reference`](crate::Tx::reference).
    pub reference: Option<String>,
}

impl Completion {
    /// The status in the record of a message that is a dead letter.
    pub(crate) const PARKED: u16 = 410;

    /// The completion of a message that was handled: the handler's result is not stored.
    pub(crate) fn handled() -> Self {
        Self::new(200, Vec::new(), Vec::new())
    }

    /// The completion of a message that is a dead letter.
    pub(crate) fn parked() -> Self {
        Self::new(Self::PARKED, Vec::new(), Vec::new())
    }

    pub(crate) fn is_parked(&self) -> bool {
        self.status == Self::PARKED
    }

    /// A completion without a reference.
    pub fn new(status: u16, headers: Vec<u8>, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            headers,
            body: body.into(),
            reference: None,
        }
    }
}

/// A response belongs to its client alone: `Debug` shows how long its parts are.
impl fmt::Debug for Completion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Completion")
            .field("status", &self.status)
            .field("headers", &self.headers.len())
            .field("body", &self.body.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_never_equals_a_consumer() {
        let consumer = Operation::of_consumer("billing").unwrap();
        assert_eq!(Operation::new(consumer.as_str()), Err(InvalidOperation));
        assert_ne!(Operation::new("billing").unwrap(), consumer);
    }

    /// Rows contain the one, and nodes of two builds take the other.
    #[test]
    fn the_digests_of_a_name_never_change() {
        let name = RecordName {
            scope: Scope::new("acme").unwrap(),
            operation: Operation::new("POST /payments").unwrap(),
            key: "order-17".parse().unwrap(),
        };
        assert_eq!(name.lock_id(), 1_563_861_944_266_664_424);
        let tombstone = "120ba16a-7116-ffc9-8273-5e611628fae0";
        assert_eq!(name.tombstone().to_string(), tombstone);
    }

    #[test]
    fn debug_hides_the_response() {
        let completion = Completion::new(201, vec![7; 3], vec![7; 3]);
        let shown = format!("{completion:?}");
        assert_eq!(shown, "Completion { status: 201, headers: 3, body: 3, .. }");
    }
}
