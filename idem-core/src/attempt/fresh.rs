//! The end of an attempt that may run: completed in its transaction, or released.

use std::sync::Arc;

use tokio::time::Instant;

use crate::attempt::complete::{ClaimedAttempt, Stored};
use crate::attempt::session::{END, Effects, RolledBack, Session};
use crate::store::Backend;
use crate::{Completion, Error, Tx};

/// The first attempt of its name, inside its transaction.
///
/// Dropping it rolls back, by closing the connection, and frees the key.
#[derive(Debug)]
#[must_use = "dropping a fresh claim rolls it back"]
pub struct Fresh<DB: Backend> {
    ticket: ClaimedAttempt<DB>,
    session: Session<DB>,
    reference: Option<String>,
}

/// How an attempt ended that was to be completed.
#[derive(Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a caller must treat each of the three"
)]
pub enum Completed {
    /// The record, the answer and the writes are committed.
    Committed,
    /// Another node's attempt was faster; this one's writes are undone and that one's answer
    /// counts.
    Replay(Arc<Completion>),
    /// Another request used the key meanwhile; this one's writes are undone.
    Mismatch,
}

impl<DB: Backend> Fresh<DB> {
    pub(crate) fn new(ticket: ClaimedAttempt<DB>, session: Session<DB>) -> Self {
        Self {
            ticket,
            session,
            reference: None,
        }
    }

    /// The transaction, lent to the handler.
    pub fn tx(&mut self) -> Tx<'_, DB> {
        Tx::new(self.session.conn(), &mut self.reference, self.ticket.id)
    }

    /// Stores the answer and commits it together with the operation's own writes.
    ///
    /// After `Committed` a retry is answered by replay, whatever happens to this process.
    /// `if_broken` makes the terminal answer that retries get when the operation ended the
    /// transaction itself.
    ///
    /// # Errors
    ///
    /// [`Error::NotCommitted`], [`Error::TryAgain`] and [`Error::TimedOut`]: everything was rolled
    /// back.
    /// [`Error::TransactionBroken`]: the terminal answer was stored. [`Error::OutcomeUnknown`]:
    /// the connection broke during COMMIT and the outcome could not be found out in time.
    ///
    /// # Cancellation
    ///
    /// Not safe to drop: the outcome would be unknown. `idem-axum` calls it on its own task.
    pub async fn complete(
        self,
        mut completion: Completion,
        effects: Effects,
        if_broken: impl FnOnce() -> Completion,
    ) -> Result<Completed, Error> {
        // With the writes goes the name of what they made.
        completion.reference = self.reference.filter(|_| effects == Effects::Keep);
        let limit = self.ticket.end_of_completion();
        let stored = self.ticket.store(self.session, completion, effects, limit);
        let ended = stored.await;
        self.ticket.finish(ended, if_broken).await
    }

    /// As [`complete`](Self::complete), without a terminal answer: whoever gets the ticket stores
    /// one, and meanwhile no other attempt begins on this node.
    pub(crate) async fn store(
        self,
        mut completion: Completion,
    ) -> (ClaimedAttempt<DB>, Result<Stored, Error>) {
        completion.reference = self.reference;
        let limit = self.ticket.end_of_completion();
        let stored = self
            .ticket
            .store(self.session, completion, Effects::Keep, limit)
            .await;
        (self.ticket, stored)
    }

    /// Rolls the operation back and frees the key.
    ///
    /// # Errors
    ///
    /// [`Error::TransactionBroken`] when the operation had ended the transaction itself: then
    /// the terminal answer of `if_broken` was stored, and retries do not run.
    ///
    /// # Cancellation
    ///
    /// Dropping the future closes the connection, which rolls back as well.
    pub async fn release(self, if_broken: impl FnOnce() -> Completion) -> Result<(), Error> {
        self.ticket.release(self.session, if_broken).await
    }

    /// As [`release`](Self::release), for an operation that was stopped in the middle: the
    /// database is told to stop its statement first.
    ///
    /// # Errors
    ///
    /// As [`release`](Self::release).
    ///
    /// # Cancellation
    ///
    /// As [`release`](Self::release).
    pub async fn stop(mut self, if_broken: impl FnOnce() -> Completion) -> Result<(), Error> {
        self.session.cancel(&self.ticket.idem).await;
        self.release(if_broken).await
    }

    /// As [`release`](Self::release) and [`stop`](Self::stop), without a terminal answer.
    pub(crate) async fn roll_back(mut self, stops: bool) -> (ClaimedAttempt<DB>, RolledBack) {
        if stops {
            self.session.cancel(&self.ticket.idem).await;
        }
        let rolled_back = self.session.roll_back_or_stop(&self.ticket.idem, END).await;
        (self.ticket, rolled_back)
    }

    /// When the attempt's time is over.
    pub fn deadline(&self) -> Instant {
        self.ticket.deadline
    }

    pub(crate) fn into_parts(self) -> (ClaimedAttempt<DB>, Session<DB>) {
        (self.ticket, self.session)
    }
}
