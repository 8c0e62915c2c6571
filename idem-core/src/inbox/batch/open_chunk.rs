//! The state of a chunk, and the ways in which it ends.
//!
//! An entry moves from `waiting` to `current`, then to `kept` or `undone`. It never moves back. Its
//! place on this node is dropped with it, so a duplicate on this node is refused until the chunk
//! has ended.

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
    /// Handled messages, which commit with the transaction.
    pub(super) kept: Vec<ChunkEntry<DB>>,
    /// Failed messages, rolled back to their savepoints, with their errors.
    pub(super) undone: Vec<(ChunkEntry<DB>, String)>,
    /// Messages that reuse the id of another one. They are parked after the transaction has ended,
    /// since some databases allow one writer at a time.
    pub(super) reused: Vec<(usize, MessageContext<DB>)>,
    pub(super) _admission: Admission,
}

/// A message of a chunk.
pub(super) struct ChunkEntry<DB: Backend> {
    pub(super) index: usize,
    pub(super) attempt: Uuid,
    pub(super) context: MessageContext<DB>,
    pub(super) fingerprint: Fingerprint,
    pub(super) place: Place,
    pub(super) has_failed: bool,
    pub(super) reference: Option<String>,
}

/// Why no message of a chunk can be kept.
pub(super) enum ChunkLoss {
    /// The database has rolled back the transaction by itself.
    RolledBack,
    /// The transaction cannot be committed.
    Spoilt,
    /// The deadline has passed, perhaps within a statement.
    TimeOver,
    /// The database fails.
    Store(Error),
}

/// The end of a chunk.
#[derive(Default)]
pub(in crate::inbox) struct ChunkEnd {
    pub(in crate::inbox) outcomes: Vec<(usize, MessageOutcome)>,
    /// Messages of which nothing is kept, to be tried in transactions of their own.
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
