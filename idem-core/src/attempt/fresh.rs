//! The end of an attempt that may run: completed in its transaction, or released.

use tokio::time::Instant;

use super::Completed;
use super::claimed::ClaimedAttempt;
use super::complete::StoreOutcome;
use super::session::{END_LIMIT, Effects, RolledBack, Session};
use super::tx::Tx;
use crate::store::Backend;
use crate::{Completion, Error};

/// The first attempt of its name, inside its transaction.
///
/// Dropping it rolls back, by closing the connection, and frees the key.
#[derive(Debug)]
#[must_use = "dropping a fresh claim rolls it back"]
pub struct Fresh<DB: Backend> {
    claimed: ClaimedAttempt<DB>,
    session: Session<DB>,
    reference: Option<String>,
}

impl<DB: Backend> Fresh<DB> {
    pub(crate) fn new(claimed: ClaimedAttempt<DB>, session: Session<DB>) -> Self {
        Self {
            claimed,
            session,
            reference: None,
        }
    }

    /// The transaction, lent to the handler.
    pub fn tx(&mut self) -> Tx<'_, DB> {
        Tx::new(self.session.conn(), &mut self.reference, self.claimed.id)
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
        let limit = self.claimed.end_of_completion();
        let stored = self.claimed.store(self.session, completion, effects, limit);
        let ended = stored.await;
        self.claimed.finish(ended, if_broken).await
    }

    /// As [`complete`](Self::complete), without a terminal answer: whoever gets the claimed stores
    /// one, and meanwhile no other attempt begins on this node.
    pub(crate) async fn store(
        self,
        mut completion: Completion,
    ) -> (ClaimedAttempt<DB>, Result<StoreOutcome, Error>) {
        completion.reference = self.reference;
        let limit = self.claimed.end_of_completion();
        let stored = self
            .claimed
            .store(self.session, completion, Effects::Keep, limit)
            .await;
        (self.claimed, stored)
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
        self.claimed.release(self.session, if_broken).await
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
        self.session.cancel(&self.claimed.node.connections).await;
        self.release(if_broken).await
    }

    /// As [`release`](Self::release) and [`stop`](Self::stop), without a terminal answer.
    pub(crate) async fn roll_back(mut self, stops: bool) -> (ClaimedAttempt<DB>, RolledBack) {
        if stops {
            self.session.cancel(&self.claimed.node.connections).await;
        }
        let rolled_back = self
            .session
            .roll_back_or_stop(&self.claimed.node.connections, END_LIMIT)
            .await;
        (self.claimed, rolled_back)
    }

    /// When the attempt's time is over.
    pub fn deadline(&self) -> Instant {
        self.claimed.deadline
    }

    pub(crate) fn into_parts(self) -> (ClaimedAttempt<DB>, Session<DB>) {
        (self.claimed, self.session)
    }
}
