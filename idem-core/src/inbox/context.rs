//! What is counted and kept of a message that cannot be handled.

use std::fmt;

use tokio_util::task::task_tracker::TaskTrackerToken;

use super::counting::{ParkWhen, whole};
use super::{ConsumerPolicy, Message};
use crate::attempt::session::{Session, claim_error};
use crate::store::{Backend, NewAttempt};
use crate::{Attempt, Error, Fingerprint, Idempotency, IdempotencyKey, RecordName};

/// A message, in case that its handling fails.
pub(super) struct MessageContext<DB: Backend> {
    pub(super) idem: Idempotency<DB>,
    pub(super) name: RecordName,
    pub(super) fingerprint: Fingerprint,
    pub(super) policy: ConsumerPolicy,
    message_id: Vec<u8>,
    pub(super) reference: Option<String>,
    pub(super) payload: Option<Vec<u8>>,
}

impl<DB: Backend> MessageContext<DB> {
    pub(super) fn new(
        idem: &Idempotency<DB>,
        attempt: &Attempt,
        policy: ConsumerPolicy,
        message: &Message<'_>,
    ) -> Self {
        Self {
            idem: idem.clone(),
            name: attempt.name.clone(),
            fingerprint: attempt.fingerprint.clone(),
            policy,
            message_id: message.id.to_vec(),
            reference: message.reference.as_deref().map(without_nul),
            payload: message.payload.as_deref().map(<[u8]>::to_vec),
        }
    }

    pub(super) fn name(&self) -> &RecordName {
        &self.name
    }

    /// A shutdown waits until this is dropped.
    pub(super) fn running(&self) -> TaskTrackerToken {
        self.idem.running_token()
    }

    pub(super) fn is_beyond_limit(&self, attempts: u32) -> bool {
        attempts > self.policy.max_attempts
    }

    /// Counts an attempt that is about to begin, in its transaction.
    pub(super) async fn count_first(&self, session: &mut Session<DB>) -> Result<u32, Error> {
        let attempt = self.attempt(true, None);
        let counted = DB::count_attempt(session.conn(), &attempt).await;
        counted.map(whole).map_err(claim_error::<DB>)
    }

    /// All that a letter must have.
    pub(super) fn attempt<'a>(&'a self, is_new: bool, error: Option<&'a str>) -> NewAttempt<'a> {
        NewAttempt {
            name: &self.name,
            message_id: &self.message_id,
            is_new,
            error,
            reference: None,
            payload: None,
            retention: self.policy.retention,
        }
    }

    /// ParkWhen a message with the id of another one, beside that one.
    pub(super) async fn park_reused(&self) -> bool {
        let (_, digest) = self.fingerprint.stored();
        let id = [self.name.key.as_str().as_bytes(), digest].concat();
        let Some(key) = IdempotencyKey::of_message(&id, false) else {
            return false;
        };
        let mut beside = self.clone();
        beside.name.key = key;
        let counting = tokio::spawn(async move {
            let _running = beside.running();
            beside.count_or_log(true, REUSED, ParkWhen::Now).await
        });
        counting.await.unwrap_or_default().is_parked
    }
}

const REUSED: &str = "the message has the id of another one, and other content";

/// The longest text of an error that is kept, in bytes.
const LONGEST_TEXT: usize = 4096;

pub(super) fn shortened(text: &str) -> String {
    without_nul(&text[..text.floor_char_boundary(LONGEST_TEXT)])
}

/// What every encoding has.
pub(super) fn ascii(text: &str) -> String {
    text.replace(|c: char| !c.is_ascii(), "?")
}

/// Postgres stores no NUL in a text.
fn without_nul(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

impl<DB: Backend> Clone for MessageContext<DB> {
    fn clone(&self) -> Self {
        Self {
            idem: self.idem.clone(),
            name: self.name.clone(),
            fingerprint: self.fingerprint.clone(),
            policy: self.policy,
            message_id: self.message_id.clone(),
            reference: self.reference.clone(),
            payload: self.payload.clone(),
        }
    }
}

/// A message is the consumer's business alone.
impl<DB: Backend> fmt::Debug for MessageContext<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MessageContext").field(&self.name).finish()
    }
}
