//! One message of a batch, lent with the transaction it is handled in.

use std::fmt;

use scopeguard::ScopeGuard;

use super::{Batch, Open};
use crate::store::Backend;
use crate::{Error, Tx};

/// One message of a [`Batch`], to be handled.
///
/// Say [`done`](Self::done) or [`fail`](Self::fail). Dropped without either it has failed.
#[must_use = "it fails unless it is done"]
pub struct BatchMessage<'b, DB: Backend> {
    held: ScopeGuard<Lent<'b, DB>, fn(Lent<'b, DB>)>,
    index: usize,
}

/// What is open goes back to its batch when the message is dropped.
struct Lent<'b, DB: Backend> {
    open: Open<DB>,
    batch: &'b mut Batch<DB>,
}

fn give_back<DB: Backend>(lent: Lent<'_, DB>) {
    lent.batch.open = Some(lent.open);
}

impl<'b, DB: Backend> BatchMessage<'b, DB> {
    pub(super) fn lend(batch: &'b mut Batch<DB>, open: Open<DB>, index: usize) -> Self {
        let held = scopeguard::guard(Lent { open, batch }, give_back as _);
        Self { held, index }
    }

    /// Which of the messages it is, counted from 0 in the order they came in.
    pub fn index(&self) -> usize {
        self.index
    }

    /// The transaction, to write the message's effect in.
    pub fn tx(&mut self) -> Tx<'_, DB> {
        match &mut self.held.open {
            Open::Alone(_, attempt) => attempt.tx(),
            Open::Together(chunk) => chunk.tx(),
        }
    }

    /// It has been handled: what was written for it commits with the batch.
    pub fn done(self) {
        let lent = ScopeGuard::into_inner(self.held);
        lent.batch.is_undecided = false;
        give_back(lent);
    }

    /// Rolls back what was written for it, and counts the attempt.
    ///
    /// # Errors
    ///
    /// As [`Batch::next`].
    ///
    /// # Cancellation
    ///
    /// As [`Batch::next`].
    pub fn fail(self, error: impl fmt::Display) -> impl Future<Output = Result<(), Error>> + Send {
        // Here and not in the future: one that is never polled must not leave it to be handled.
        let text = error.to_string();
        let Lent { open, batch } = ScopeGuard::into_inner(self.held);
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
