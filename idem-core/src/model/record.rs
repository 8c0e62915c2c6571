//! The stored row: its name and what is kept in it.

use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::{IdempotencyKey, Scope};

/// The stable name of what is done once, such as `POST /payments` or `payments.create`.
///
/// 1 to 255 bytes without control characters. Names that begin with `inbox:` are those of
/// [consumers](crate::Inbox), which share no record with an operation.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Operation(Arc<str>);

impl Operation {
    /// The longest operation, in bytes.
    pub const MAX_BYTES: usize = 255;

    /// Validates the name of an operation.
    ///
    /// # Errors
    ///
    /// [`InvalidOperation`] when it is empty, too long, begins with `inbox:`, or has a control
    /// character.
    pub fn new(name: &str) -> Result<Self, InvalidOperation> {
        if name.starts_with(Self::INBOX) {
            return Err(InvalidOperation);
        }
        Self::named(name.into())
    }

    /// What a consumer of messages does.
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

    /// One that has been stored.
    pub(crate) fn stored(name: String) -> Self {
        Self(name.into())
    }

    pub(crate) fn is_consumers(name: &str) -> bool {
        name.starts_with(Self::INBOX)
    }

    /// The consumer, where it is one's.
    pub(crate) fn consumer(&self) -> &str {
        self.0.strip_prefix(Self::INBOX).unwrap_or(&self.0)
    }

    /// The operation as it is stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An operation's name that cannot be stored.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "an operation's name has 1 to 255 bytes, no control character, and does not begin with `inbox:`"
)]
pub struct InvalidOperation;

/// What a record is found by: the primary key of its table.
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct RecordName {
    /// Whose key it is.
    pub scope: Scope,
    /// What is done once.
    pub operation: Operation,
    /// What the client repeats on every retry.
    pub key: IdempotencyKey,
}

impl RecordName {
    /// The 64-bit id under which locks know a running attempt.
    ///
    /// Two names may share an id; the later one is then told "in flight" though it is not,
    /// and its retry succeeds. The primary key, not the lock, decides who runs.
    #[cfg_attr(
        not(any(feature = "postgres", feature = "mysql", feature = "sqlite")),
        expect(dead_code, reason = "no database is chosen")
    )]
    pub(crate) fn lock_id(&self) -> i64 {
        let mut hash = Sha256::new();
        hash.update(b"idem record v1");
        for part in [
            self.scope.as_str(),
            self.operation.as_str(),
            self.key.as_str(),
        ] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let digest: [u8; 32] = hash.finalize().into();
        let [a, b, c, d, e, f, g, h, ..] = digest;
        i64::from_be_bytes([a, b, c, d, e, f, g, h])
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

/// The answer of a completed attempt, as it is stored and replayed.
///
/// The parts are opaque here: `idem-axum` writes an HTTP response into them.
#[derive(Clone, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Completion {
    /// The status of the answer. Only a handler that ended Idem's transaction leaves a 500.
    pub status: u16,
    /// The header lines, encoded.
    pub headers: Vec<u8>,
    /// The body, byte for byte.
    pub body: Vec<u8>,
    /// What the operation created, named by the handler through its `Tx`.
    pub reference: Option<String>,
}

impl Completion {
    /// The status of a message that lies among the dead letters.
    pub(crate) const PARKED: u16 = 410;

    /// What is stored of a message that was handled: its result is the consumer's alone.
    pub(crate) fn handled() -> Self {
        Self::new(200, Vec::new(), Vec::new())
    }

    /// What is stored of a message that is parked.
    pub(crate) fn parked() -> Self {
        Self::new(Self::PARKED, Vec::new(), Vec::new())
    }

    pub(crate) fn is_parked(&self) -> bool {
        self.status == Self::PARKED
    }

    /// An answer without a reference.
    pub fn new(status: u16, headers: Vec<u8>, body: Vec<u8>) -> Self {
        Self {
            status,
            headers,
            body,
            reference: None,
        }
    }
}

/// An answer is the client's business alone: `Debug` shows how long its parts are.
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
    fn an_operation_is_never_taken_for_a_consumer() {
        let consumer = Operation::of_consumer("billing").unwrap();
        assert_eq!(Operation::new(consumer.as_str()), Err(InvalidOperation));
        assert_ne!(Operation::new("billing").unwrap(), consumer);
    }

    #[test]
    fn debug_hides_the_answer() {
        let completion = Completion::new(201, vec![7; 3], vec![7; 3]);
        let shown = format!("{completion:?}");
        assert_eq!(shown, "Completion { status: 201, headers: 3, body: 3, .. }");
    }
}
