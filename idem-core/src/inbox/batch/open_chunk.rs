//! Claimed messages in an open transaction, and how it may end.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::time::Instant;
use uuid::Uuid;

use super::outcome::MessageOutcome;
use crate::attempt::session::Session;
use crate::inbox::context::MessageContext;
use crate::node::Node;
use crate::node::admission::Admission;
use crate::node::in_flight::Place;
use crate::store::Backend;
use crate::{Error, Fingerprint, Policy};

/// Claimed messages, and the transaction that they share.
pub(super) struct OpenChunk<DB: Backend> {
    pub(super) node: Arc<Node<DB>>,
    pub(super) session: Session<DB>,
    pub(super) policy: Policy,
    pub(super) deadline: Instant,
    pub(super) waiting: VecDeque<ChunkEntry<DB>>,
    pub(super) current: Option<ChunkEntry<DB>>,
    /// Their savepoints are left; they commit with the transaction.
    pub(super) kept: Vec<ChunkEntry<DB>>,
    /// Rolled back to their savepoints, with what they failed with.
    pub(super) undone: Vec<(ChunkEntry<DB>, String)>,
    /// They have the names of others. They are parked when the transaction has ended, since some
    /// databases let one write at a time.
    pub(super) reused: Vec<(usize, MessageContext<DB>)>,
    pub(super) _admission: Admission,
}

/// A message that may be handled.
pub(super) struct ChunkEntry<DB: Backend> {
    pub(super) index: usize,
    pub(super) attempt: Uuid,
    pub(super) context: MessageContext<DB>,
    pub(super) fingerprint: Fingerprint,
    pub(super) place: Place,
    pub(super) has_failed: bool,
    pub(super) reference: Option<String>,
}

/// Why nothing of a chunk can be kept.
pub(super) enum ChunkLoss {
    /// The database has rolled it back by itself.
    RolledBack,
    /// Its transaction is spoilt.
    Spoilt,
    /// Its time is over, perhaps within a statement.
    TimeOver,
    /// The store fails.
    Store(Error),
}

/// How a chunk has ended.
#[derive(Default)]
pub(in crate::inbox) struct ChunkEnd {
    pub(in crate::inbox) outcomes: Vec<(usize, MessageOutcome)>,
    /// Nothing of these is kept, and each can be tried in a transaction of its own.
    pub(in crate::inbox) again: Vec<usize>,
    pub(in crate::inbox) error: Option<Error>,
}

impl<DB: Backend> OpenChunk<DB> {
    pub(super) fn all(&self) -> impl Iterator<Item = &ChunkEntry<DB>> {
        let undone = self.undone.iter().map(|(entry, _)| entry);
        let kept = self.kept.iter().chain(&self.current);
        kept.chain(undone).chain(&self.waiting)
    }
}
