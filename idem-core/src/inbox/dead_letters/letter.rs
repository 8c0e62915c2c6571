//! A dead letter, as operators see it.
//!
//! The columns are read as they are. A negative time or count, which Idem never writes, becomes
//! some other value and no error: one damaged row must not hide all others from the operator.

use std::fmt;
use std::time::{Duration, SystemTime};

use crate::store::StoredDeadLetter;
use crate::{IdempotencyKey, Operation, RecordName, Scope};

/// A message that has failed as often as its consumer's policy allows.
///
/// Its record suppresses later deliveries. An operator either [redrives](crate::Inbox::redrive) it,
/// once the cause is fixed, or [discards](crate::Inbox::discard) it.
///
/// # Examples
///
/// ```no_run
/// # async fn operate(inbox: idem_core::Inbox<sqlx::Sqlite>) -> Result<(), idem_core::Error> {
/// for letter in inbox.dead_letters("billing", None, 100).await? {
///     let error = letter.error.as_deref().unwrap_or("the worker ended");
///     println!("{} failed {} times: {error}", letter.message_id, letter.attempts);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct DeadLetter {
    pub(super) id: i64,
    pub(super) name: RecordName,
    /// The id of the message. Bytes that are not text are shown as `\u{fffd}`.
    pub message_id: String,
    /// The number of failed attempts, since the last redrive if there was one.
    pub attempts: u32,
    /// The error of the last attempt. `None` if each attempt ended with its worker.
    pub error: Option<String>,
    /// Where the payload can be found: see [`Message::reference`](crate::Message::reference).
    pub reference: Option<String>,
    /// The payload, if the consumer gave it and the database could keep it:
    /// see [`Message::payload`](crate::Message::payload).
    pub payload: Option<Vec<u8>>,
    /// When the message was parked, by the database's clock.
    pub parked_at: SystemTime,
    /// When the message was last [redriven](crate::Inbox::redrive), if it was not parked again
    /// since.
    pub redriven_at: Option<SystemTime>,
}

impl DeadLetter {
    /// The scope of the message.
    pub fn scope(&self) -> &Scope {
        &self.name.scope
    }

    /// The name of the consumer that could not handle the message.
    pub fn consumer(&self) -> &str {
        self.name.operation.consumer()
    }

    /// The name of the record that suppresses the message.
    pub const fn record_name(&self) -> &RecordName {
        &self.name
    }

    /// The number of the dead letter in its database, by which an operator can name it.
    ///
    /// No other dead letter gets it. A message that is parked again has another number once its
    /// first dead letter was deleted.
    pub const fn number(&self) -> i64 {
        self.id
    }
}

impl DeadLetter {
    pub(super) fn of(letter: StoredDeadLetter, operation: &Operation) -> Self {
        Self {
            id: letter.id,
            name: RecordName {
                scope: Scope::stored(letter.scope),
                operation: operation.clone(),
                key: IdempotencyKey::stored(letter.key),
            },
            message_id: String::from_utf8_lossy(&letter.message_id).into_owned(),
            attempts: u32::try_from(letter.attempts).unwrap_or(0),
            error: letter.error,
            reference: letter.reference,
            payload: letter.payload,
            parked_at: at(letter.parked_at),
            redriven_at: letter.redriven_at.map(at),
        }
    }
}

pub(super) fn at(milliseconds: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(milliseconds.unsigned_abs())
}

/// A payload can be a secret: `Debug` shows its length.
impl fmt::Debug for DeadLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetter")
            .field("name", &self.name)
            .field("attempts", &self.attempts)
            .field("payload", &self.payload.as_ref().map(Vec::len))
            .finish_non_exhaustive()
    }
}
