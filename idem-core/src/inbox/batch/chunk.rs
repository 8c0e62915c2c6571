//! A chunk of a batch: messages that share a transaction, each with its own savepoint.
//!
//! | the message | its savepoint | the next one |
//! | --- | --- | --- |
//! | succeeded | released, and the next is set by the same message | runs |
//! | failed | rolled back to and released | runs |
//! | swallowed the error of a statement | cannot be released; rolled back to | runs |
//! | ended the transaction | does not exist | the chunk is lost |
//!
//! The release is checked for each message before the next one runs: afterwards nobody could tell
//! which of them ended the transaction. On MariaDB and MySQL the check must be the very next
//! statement.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use scopeguard::ScopeGuard;
use tokio::time::{Instant, timeout_at};

use super::open_chunk::{ChunkEnd, ChunkLoss, OpenChunk};
use super::outcome::MessageOutcome;
use crate::Error;
use crate::attempt::session::END_LIMIT;
use crate::attempt::tx::Tx;
use crate::detach::DetachOnDrop;
use crate::drop_guard::DropGuard;
use crate::error::claim_error;
use crate::store::{Backend, Fault, RELEASE_SAVEPOINT, SET_SAVEPOINT};

/// Claimed messages in an open transaction. Dropping it cancels its statement and rolls back.
pub(super) struct Chunk<DB: Backend> {
    pub(super) open: DropGuard<OpenChunk<DB>>,
}

/// Why a message's savepoint cannot be released.
enum Trouble {
    /// A statement after it had failed.
    Aborted,
    ChunkLoss(ChunkLoss),
}

impl From<Trouble> for ChunkLoss {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Aborted => Self::Spoilt,
            Trouble::ChunkLoss(lost) => lost,
        }
    }
}

impl<DB: Backend> Chunk<DB> {
    /// Keeps the current message's writes, and sets the savepoint of the next message.
    ///
    /// # Errors
    ///
    /// [`ChunkLoss`] if no message of the chunk can be kept. The caller ends the chunk with
    /// [`lose`](Self::lose).
    pub(super) async fn next(&mut self) -> Result<Option<usize>, ChunkLoss> {
        if self.open.waiting.is_empty() {
            return Ok(None);
        }
        let set = match self.open.current {
            Some(_) => self.open.next_savepoint().await,
            None => self.open.savepoint(SET_SAVEPOINT).await,
        };
        match set {
            Ok(()) => self.open.keep_current(),
            Err(Trouble::Aborted) => {
                self.undo(WENT_ON.to_owned()).await?;
                self.open.savepoint(SET_SAVEPOINT).await?;
            }
            Err(Trouble::ChunkLoss(lost)) => return Err(lost),
        }
        self.open.current = self.open.waiting.pop_front();
        Ok(self.open.current.as_ref().map(|entry| entry.index))
    }

    /// Rolls back the current message's writes.
    pub(super) async fn undo(&mut self, error: String) -> Result<(), ChunkLoss> {
        // A statement that the handler has dropped may still run, which must not take long.
        let limit = self.open.deadline.min(Instant::now() + END_LIMIT);
        self.open.savepoint_until(limit, UNDO).await?;
        let current = self.open.current.take();
        self.open.undone.extend(current.map(|entry| (entry, error)));
        Ok(())
    }

    ///
    /// Each message has an attempt id of its own. Without a current message there is nothing to
    /// name, so a reference is checked and forgotten.
    pub(super) fn tx(&mut self) -> Tx<'_, DB> {
        let open = &mut *self.open;
        match &mut open.current {
            Some(entry) => {
                let secret = &open.node.settings.downstream_secret;
                let conn = open.session.conn();
                let tx: Tx<'_, DB> = Tx::new(conn, &mut entry.reference, entry.attempt);
                tx.of_record(entry.context.name(), secret)
            }
            None => Tx::borrowed(open.session.conn()),
        }
    }

    /// Stores the records of the handled messages, and commits them with the messages' writes.
    ///
    /// If the caller is dropped, a task goes on with it, and with the counting of the failed messages.
    pub(super) async fn commit(mut self) -> ChunkEnd {
        if let Err(lost) = self.leave_last().await {
            return self.lose(lost).await;
        }
        let open = ScopeGuard::into_inner(self.open);
        let indices: Vec<_> = open.all().map(|entry| entry.index).collect();
        match DetachOnDrop::new(open.commit()).await {
            Ok(ended) => ended,
            // It ends early only by a panic.
            Err(_) => ChunkEnd {
                outcomes: indices
                    .into_iter()
                    .map(|index| (index, MessageOutcome::InFlight))
                    .collect(),
                error: Some(Error::OutcomeUnknown),
                ..ChunkEnd::default()
            },
        }
    }

    /// Ends the last message. Only the error of the very next statement distinguishes a deadlock
    /// from a COMMIT of the handler.
    async fn leave_last(&mut self) -> Result<(), ChunkLoss> {
        if self.open.current.is_none() {
            return Ok(());
        }
        match self.open.savepoint(RELEASE_SAVEPOINT).await {
            Ok(()) => self.open.keep_current(),
            Err(Trouble::Aborted) => self.undo(WENT_ON.to_owned()).await?,
            Err(Trouble::ChunkLoss(lost)) => return Err(lost),
        }
        Ok(())
    }

    /// Rolls everything back, also if the caller is dropped.
    pub(super) async fn lose(self, lost: ChunkLoss) -> ChunkEnd {
        let open = ScopeGuard::into_inner(self.open);
        let lost = DetachOnDrop::new(open.lose(lost)).await;
        lost.unwrap_or_else(|_| ChunkEnd {
            error: Some(Error::OutcomeUnknown),
            ..ChunkEnd::default()
        })
    }
}

impl<DB: Backend> OpenChunk<DB> {
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
}

/// Runs a statement about savepoints until the limit, and says what its error means for the chunk.
///
/// A deadlock that has rolled everything back is no fault of this message alone: the chunk is lost,
/// and each message gets its own transaction.
async fn run_until<DB: Backend>(
    limit: Instant,
    run: impl Future<Output = sqlx::Result<bool>>,
) -> Result<(), Trouble> {
    // `timeout_at` polls first, so a fast answer would pass after the deadline.
    if limit <= Instant::now() {
        return Err(Trouble::ChunkLoss(ChunkLoss::TimeOver));
    }
    // After a dropped statement, sqlx can panic at the next one.
    let run = AssertUnwindSafe(run).catch_unwind();
    match timeout_at(limit, run).await {
        Ok(Ok(Ok(true))) => Ok(()),
        Ok(Ok(Ok(false))) => Err(Trouble::ChunkLoss(ChunkLoss::RolledBack)),
        Ok(Ok(Err(error))) => Err(match DB::fault(&error) {
            Fault::Aborted => Trouble::Aborted,
            Fault::Unknown => Trouble::ChunkLoss(ChunkLoss::Store(claim_error::<DB>(error))),
            Fault::Collision
            | Fault::GuardLost
            | Fault::Exists
            | Fault::Failed
            | Fault::Refused => Trouble::ChunkLoss(ChunkLoss::Spoilt),
        }),
        Ok(Err(_)) => Err(Trouble::ChunkLoss(ChunkLoss::Spoilt)),
        Err(_) => Err(Trouble::ChunkLoss(ChunkLoss::TimeOver)),
    }
}

const WENT_ON: &str = "a statement had failed and the handler went on";

const UNDO: &str = "rollback to savepoint idem_message; release savepoint idem_message";
