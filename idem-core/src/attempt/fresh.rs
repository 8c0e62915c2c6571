//! A fresh claim with a transaction, and its end: completed or released.
//!
//! A [`Fresh`] is consumed by each of its ends, so an attempt cannot be ended twice. Whoever
//! forgets to end it gets the safe one: the drop closes the connection.

use tokio::time::Instant;

use super::Completed;
use super::claimed::ClaimedAttempt;
use super::complete::StoreOutcome;
use super::downstream::DownstreamKeys;
use super::session::{END_LIMIT, Effects, RolledBack, Session};
use super::tx::Tx;
use crate::store::Backend;
use crate::{Completion, Error};

/// The first attempt with its key, inside its transaction.
///
/// [Lend](Self::tx) its transaction to the operation, then [`complete`](Self::complete) it if the
/// operation succeeded or [`release`](Self::release) it if not. Dropping it closes the connection,
/// which rolls back, and frees the key.
///
/// # Examples
///
/// ```no_run
/// use idem_core::{Completed, Completion, Effects, Error, Fresh};
///
/// async fn pay(mut fresh: Fresh<sqlx::Sqlite>, amount: i64) -> Result<Option<Completed>, Error> {
///     // Stored if the operation itself ends the transaction.
///     let broken = || Completion::new(500, Vec::new(), Vec::new());
///     let insert = sqlx::query("insert into payment (amount) values (?)").bind(amount);
///     match insert.execute(&mut *fresh.tx()).await {
///         Ok(_) => {
///             let created = Completion::new(201, Vec::new(), Vec::new());
///             fresh.complete(created, Effects::Keep, broken).await.map(Some)
///         }
///         Err(_) => fresh.release(broken).await.map(|()| None),
///     }
/// }
/// ```
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

    /// The transaction, for the operation to borrow.
    pub fn tx(&mut self) -> Tx<'_, DB> {
        let (claimed, conn) = (&self.claimed, self.session.conn());
        let tx: Tx<'_, DB> = Tx::new(conn, &mut self.reference, claimed.id);
        match claimed.name() {
            Some(name) => tx.of_record(name, &claimed.node.settings.downstream_secret),
            None => tx,
        }
    }

    /// The transaction's connection, to read what it says of itself.
    pub fn conn(&self) -> &DB::Connection {
        self.session.conn_ref()
    }

    /// The keys for requests that the operation sends to other services.
    pub fn downstream_keys(&self) -> DownstreamKeys {
        self.claimed.downstream_keys()
    }

    /// Stores the completion and commits it together with the operation's own writes.
    ///
    /// After [`Completed::Committed`] a retry gets a replay, whatever happens to this process. With
    /// [`Effects::Undo`] the record commits alone, such as that of a refusal which retries must
    /// repeat. `if_broken` makes the terminal completion, which is stored if the operation ended
    /// the transaction itself.
    ///
    /// # Errors
    ///
    /// [`Error::NotCommitted`], [`Error::TryAgain`] and [`Error::TimedOut`]: everything was rolled
    /// back.
    /// [`Error::TransactionBroken`]: the terminal completion was stored. [`Error::OutcomeUnknown`]:
    /// the connection broke during COMMIT, and the outcome could not be looked up in time.
    ///
    /// # Cancellation
    ///
    /// Not safe to drop: the outcome would be unknown. `idem-axum` calls it on the handler's task.
    pub async fn complete(
        self,
        mut completion: Completion,
        effects: Effects,
        if_broken: impl FnOnce() -> Completion,
    ) -> Result<Completed, Error> {
        // Without the writes, what the reference names does not exist.
        completion.reference = self.reference.filter(|_| effects == Effects::Keep);
        let limit = self.claimed.end_of_completion();
        let stored = self.claimed.store(self.session, completion, effects, limit);
        let ended = stored.await;
        self.claimed.finish(ended, if_broken).await
    }

    /// As [`complete`](Self::complete), without a terminal completion: the caller stores one, and
    /// the returned attempt keeps its place on this node meanwhile.
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

    /// Rolls back the operation's writes and frees the key.
    ///
    /// # Errors
    ///
    /// [`Error::TransactionBroken`] if the operation had ended the transaction itself. The
    /// terminal completion of `if_broken` is stored, and retries do not run.
    ///
    /// # Cancellation
    ///
    /// Dropping the future closes the connection, which rolls back as well.
    pub async fn release(self, if_broken: impl FnOnce() -> Completion) -> Result<(), Error> {
        self.claimed.release(self.session, if_broken).await
    }

    /// As [`release`](Self::release), for an operation that was dropped in the middle: first
    /// cancels its statement in the database.
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

    /// As [`release`](Self::release) or [`stop`](Self::stop), without a terminal completion.
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

    /// The end of the attempt's time.
    pub fn deadline(&self) -> Instant {
        self.claimed.deadline
    }

    pub(crate) fn into_parts(self) -> (ClaimedAttempt<DB>, Session<DB>) {
        (self.claimed, self.session)
    }
}
