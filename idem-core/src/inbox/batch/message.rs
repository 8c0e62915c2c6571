//! One message of a batch, lent with the transaction it is handled in.

use std::fmt;

use scopeguard::ScopeGuard;

use super::progress::{BatchProgress, OpenTransaction};
use crate::Error;
use crate::attempt::tx::Tx;
use crate::drop_guard::{DropGuard, EndOnDrop};
use crate::store::Backend;

/// One message of a [`Batch`](crate::Batch), to be handled.
///
/// Say [`done`](Self::done) or [`fail`](Self::fail). Dropped without either it has failed.
#[must_use = "it fails unless it is done"]
pub struct BatchMessage<'b, DB: Backend> {
    open: DropGuard<MessageTransaction<'b, DB>>,
    index: usize,
}

/// The transaction of a message, which goes back to its batch when the message is dropped.
struct MessageTransaction<'b, DB: Backend> {
    open: OpenTransaction<DB>,
    batch: &'b mut BatchProgress<DB>,
}

impl<DB: Backend> EndOnDrop for MessageTransaction<'_, DB> {
    fn end_on_drop(self) {
        self.batch.open = Some(self.open);
    }
}

impl<'b, DB: Backend> BatchMessage<'b, DB> {
    pub(super) fn lend(
        batch: &'b mut BatchProgress<DB>,
        open: OpenTransaction<DB>,
        index: usize,
    ) -> Self {
        let open = MessageTransaction { open, batch }.guarded();
        Self { open, index }
    }

    /// Which of the messages it is, counted from 0 in the order they came in.
    pub fn index(&self) -> usize {
        self.index
    }

    /// The transaction, to write the message's effect in.
    pub fn tx(&mut self) -> Tx<'_, DB> {
        match &mut self.open.open {
            OpenTransaction::Alone(_, attempt) => attempt.tx(),
            OpenTransaction::Together(chunk) => chunk.tx(),
        }
    }

    /// It has been handled: what was written for it commits with the batch.
    pub fn done(self) {
        let transaction = ScopeGuard::into_inner(self.open);
        transaction.batch.is_undecided = false;
        transaction.end_on_drop();
    }

    /// Rolls back what was written for it, and counts the attempt.
    ///
    /// # Errors
    ///
    /// As [`Batch::next`](crate::Batch::next).
    ///
    /// # Cancellation
    ///
    /// As [`Batch::next`](crate::Batch::next).
    pub fn fail(self, error: impl fmt::Display) -> impl Future<Output = Result<(), Error>> + Send {
        // Here and not in the future: one that is never polled must not leave it to be handled.
        let text = error.to_string();
        let MessageTransaction { open, batch } = ScopeGuard::into_inner(self.open);
        batch.fail(open, text)
    }
}

impl<DB: Backend> fmt::Debug for BatchMessage<'_, DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchMessage")
            .field("index", &self.index)
            .finish_non_exhaustive()
    }
}
