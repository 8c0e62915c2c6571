//! Messages that share a transaction, each with a savepoint of its own in it.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use scopeguard::ScopeGuard;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use super::commit::Ended;
use super::outcome::Outcome;
use crate::attempt::session::{END, Session, claim_error};
use crate::idempotency::Admission;
use crate::inbox::failure::MessageContext;
use crate::node::in_flight::Place;
use crate::store::{Backend, Fault, LEAVE, SET};
use crate::{Error, Fingerprint, Idempotency, Policy, Tx};

/// Claimed messages in an open transaction. Dropped, it is stopped and rolled back.
pub(super) struct Chunk<DB: Backend> {
    pub(super) held: ScopeGuard<Held<DB>, fn(Held<DB>)>,
}

pub(super) struct Held<DB: Backend> {
    pub(super) idem: Idempotency<DB>,
    pub(super) session: Session<DB>,
    pub(super) policy: Policy,
    pub(super) deadline: Instant,
    pub(super) waiting: VecDeque<Entry<DB>>,
    pub(super) current: Option<Entry<DB>>,
    /// Their savepoints are left; they commit with the transaction.
    pub(super) kept: Vec<Entry<DB>>,
    /// Rolled back to their savepoints, with what they failed with.
    pub(super) undone: Vec<(Entry<DB>, String)>,
    /// They have the names of others. They are parked when the transaction has ended, since some
    /// databases let one write at a time.
    pub(super) reused: Vec<(usize, MessageContext<DB>)>,
    pub(super) _admission: Admission,
}

/// A message that may be handled.
pub(super) struct Entry<DB: Backend> {
    pub(super) index: usize,
    pub(super) attempt: Uuid,
    pub(super) failing: MessageContext<DB>,
    pub(super) fingerprint: Fingerprint,
    pub(super) place: Place,
    pub(super) has_failed: bool,
    pub(super) reference: Option<String>,
}

/// Why nothing of a chunk can be kept.
pub(super) enum Lost {
    /// The database has rolled it back by itself.
    RolledBack,
    /// Its transaction is spoilt.
    Spoilt,
    /// Its time is over, perhaps within a statement.
    TimeOver,
    /// The store fails.
    Store(Error),
}

/// What is wrong with a message's savepoint.
enum Trouble {
    /// A statement within it had failed.
    Aborted,
    Lost(Lost),
}

impl From<Trouble> for Lost {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Aborted => Self::Spoilt,
            Trouble::Lost(lost) => lost,
        }
    }
}

impl<DB: Backend> Chunk<DB> {
    /// Keeps the current message's effect, and sets the savepoint of the next.
    pub(super) async fn next(&mut self) -> Result<Option<usize>, Lost> {
        if self.held.waiting.is_empty() {
            return Ok(None);
        }
        let set = match self.held.current {
            Some(_) => self.held.next_savepoint().await,
            None => self.held.savepoint(SET).await,
        };
        match set {
            Ok(()) => self.held.keep_current(),
            Err(Trouble::Aborted) => {
                self.undo(WENT_ON.to_owned()).await?;
                self.held.savepoint(SET).await?;
            }
            Err(Trouble::Lost(lost)) => return Err(lost),
        }
        self.held.current = self.held.waiting.pop_front();
        Ok(self.held.current.as_ref().map(|entry| entry.index))
    }

    /// Rolls back what was written for the current message.
    pub(super) async fn undo(&mut self, error: String) -> Result<(), Lost> {
        // A statement that the handler was stopped in is waited for no longer than at any end.
        let limit = self.held.deadline.min(Instant::now() + END);
        self.held.savepoint_until(limit, UNDO).await?;
        let current = self.held.current.take();
        self.held.undone.extend(current.map(|entry| (entry, error)));
        Ok(())
    }

    pub(super) fn tx(&mut self) -> Tx<'_, DB> {
        let held = &mut *self.held;
        match &mut held.current {
            Some(entry) => Tx::new(held.session.conn(), &mut entry.reference, entry.attempt),
            None => Tx::borrowed(held.session.conn()),
        }
    }

    /// Stores the records of the messages that are kept, and commits them with their effects.
    ///
    /// Both on a task of its own, as is the counting of those that failed.
    pub(super) async fn commit(mut self) -> Ended {
        if let Err(lost) = self.leave_last().await {
            return self.lose(lost).await;
        }
        let held = ScopeGuard::into_inner(self.held);
        let indices: Vec<_> = held.all().map(|entry| entry.index).collect();
        match tokio::spawn(held.commit()).await {
            Ok(ended) => ended,
            // A task ends early only with its runtime, or by a panic.
            Err(_) => Ended {
                outcomes: indices
                    .into_iter()
                    .map(|index| (index, Outcome::InFlight))
                    .collect(),
                error: Some(Error::OutcomeUnknown),
                ..Ended::default()
            },
        }
    }

    /// Only the error of the very next statement tells a deadlock from a COMMIT by hand.
    async fn leave_last(&mut self) -> Result<(), Lost> {
        if self.held.current.is_none() {
            return Ok(());
        }
        match self.held.savepoint(LEAVE).await {
            Ok(()) => self.held.keep_current(),
            Err(Trouble::Aborted) => self.undo(WENT_ON.to_owned()).await?,
            Err(Trouble::Lost(lost)) => return Err(lost),
        }
        Ok(())
    }

    /// Rolls everything back, on a task of its own.
    pub(super) async fn lose(self, lost: Lost) -> Ended {
        let held = ScopeGuard::into_inner(self.held);
        let lost = tokio::spawn(held.lose(lost)).await;
        lost.unwrap_or_else(|_| Ended {
            error: Some(Error::OutcomeUnknown),
            ..Ended::default()
        })
    }
}

impl<DB: Backend> Held<DB> {
    async fn savepoint(&mut self, text: &'static str) -> Result<(), Trouble> {
        self.savepoint_until(self.deadline, text).await
    }

    async fn savepoint_until(&mut self, limit: Instant, text: &'static str) -> Result<(), Trouble> {
        run_until::<DB>(limit, DB::savepoint(self.session.conn(), text)).await
    }

    async fn next_savepoint(&mut self) -> Result<(), Trouble> {
        run_until::<DB>(self.deadline, self.session.next_savepoint()).await
    }

    fn keep_current(&mut self) {
        self.kept.extend(self.current.take());
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Entry<DB>> {
        let undone = self.undone.iter().map(|(entry, _)| entry);
        let kept = self.kept.iter().chain(&self.current);
        kept.chain(undone).chain(&self.waiting)
    }
}

async fn run_until<DB: Backend>(
    limit: Instant,
    run: impl Future<Output = sqlx::Result<bool>>,
) -> Result<(), Trouble> {
    // `timeout_at` would let pass what is answered at once.
    if limit <= Instant::now() {
        return Err(Trouble::Lost(Lost::TimeOver));
    }
    // A statement that a handler has dropped can make sqlx panic at the next.
    let run = AssertUnwindSafe(run).catch_unwind();
    match timeout_at(limit, run).await {
        Ok(Ok(Ok(true))) => Ok(()),
        Ok(Ok(Ok(false))) => Err(Trouble::Lost(Lost::RolledBack)),
        Ok(Ok(Err(error))) => Err(match DB::fault(&error) {
            Fault::Aborted => Trouble::Aborted,
            Fault::Unknown => Trouble::Lost(Lost::Store(claim_error::<DB>(error))),
            Fault::Collision | Fault::GuardLost | Fault::Failed | Fault::Refused => {
                Trouble::Lost(Lost::Spoilt)
            }
        }),
        Ok(Err(_)) => Err(Trouble::Lost(Lost::Spoilt)),
        Err(_) => Err(Trouble::Lost(Lost::TimeOver)),
    }
}

const WENT_ON: &str = "a statement had failed and the handler went on";

const UNDO: &str = "rollback to savepoint idem_message; release savepoint idem_message";
