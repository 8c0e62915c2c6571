//! The parts of a message that are needed if handling it fails.
//!
//! A failed attempt is counted after its transaction has ended, perhaps on another task and after
//! the caller has gone. So these parts are owned copies, among them the payload. Texts lose their
//! NUL characters here, since Postgres stores none; bytes are kept as they are.

use std::fmt;
use std::sync::Arc;

use tokio_util::task::task_tracker::TaskTrackerToken;

use super::message::Message;
use super::policy::ConsumerPolicy;
use crate::attempt::Attempt;
use crate::node::Node;
use crate::store::{Backend, NewAttempt};
use crate::{Fingerprint, RecordName};

/// The parts of a message that a failed attempt counts and keeps.
pub(super) struct MessageContext<DB: Backend> {
    pub(super) node: Arc<Node<DB>>,
    pub(super) name: RecordName,
    pub(super) fingerprint: Fingerprint,
    pub(super) policy: ConsumerPolicy,
    message_id: Vec<u8>,
    pub(super) reference: Option<String>,
    pub(super) payload: Option<Vec<u8>>,
}

impl<DB: Backend> MessageContext<DB> {
    pub(super) fn new(
        node: &Arc<Node<DB>>,
        attempt: &Attempt,
        policy: ConsumerPolicy,
        message: &Message<'_>,
    ) -> Self {
        Self {
            node: Arc::clone(node),
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
        self.node.running_token()
    }

    pub(super) fn is_beyond_limit(&self, attempts: u32) -> bool {
        attempts > self.policy.max_attempts
    }

    /// The least that a dead letter must contain.
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
}

/// The longest error text in a dead letter, in bytes.
const LONGEST_TEXT: usize = 4096;

/// Cuts a text to the longest that is kept, at a character's end.
pub(super) fn shortened(text: &str) -> String {
    without_nul(&text[..text.floor_char_boundary(LONGEST_TEXT)])
}

/// Every encoding of a database contains ASCII.
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
            node: Arc::clone(&self.node),
            name: self.name.clone(),
            fingerprint: self.fingerprint.clone(),
            policy: self.policy,
            message_id: self.message_id.clone(),
            reference: self.reference.clone(),
            payload: self.payload.clone(),
        }
    }
}

/// A message belongs to its consumer alone: `Debug` shows its name only.
impl<DB: Backend> fmt::Debug for MessageContext<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MessageContext").field(&self.name).finish()
    }
}
