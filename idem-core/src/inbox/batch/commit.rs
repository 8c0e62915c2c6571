//! Ends a chunk: commits its messages together, or rolls them back.
//!
//! The end of a chunk has one of three results for each message: an outcome, another try in a
//! transaction of its own, or an error of the batch. An unacknowledged COMMIT is looked up by the
//! record of the first kept message: all records are in one transaction, so one of them speaks for
//! all.
//!
//! After a COMMIT that failed for certain nothing of the chunk is kept, so all of it is tried
//! again, the failed messages too: they are counted by that try and not twice.

use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, timeout_at};

use super::open_chunk::{ChunkEnd, ChunkEntry, ChunkLoss, OpenChunk};
use super::outcome::MessageOutcome;
use crate::attempt::commit::{CommittedRecord, commit};
use crate::attempt::session::{END_LIMIT, RolledBack};
use crate::drop_guard::EndOnDrop;
use crate::error::claim_error;
use crate::inbox::context::MessageContext;
use crate::inbox::failure::ParkWhen;
use crate::store::{Backend, NewRecord};
use crate::{Completion, Error};

impl<DB: Backend> OpenChunk<DB> {
    /// Stores the records, commits, and counts the messages that failed.
    ///
    /// A chunk of which every message has failed commits too. Its transaction is empty, and its
    /// lost acknowledgement could not be looked up.
    pub(super) async fn commit(mut self) -> ChunkEnd {
        let limit = self.deadline.max(Instant::now() + LONGEST_END);
        let stored = timeout_at(limit, self.store()).await;
        match stored.unwrap_or(Err(Error::TimedOut)) {
            Ok(true) => {}
            Ok(false) => return self.lose(ChunkLoss::Spoilt).await,
            Err(Error::TimedOut) => return self.lose(ChunkLoss::Store(Error::TimedOut)).await,
            Err(_) => return self.lose(ChunkLoss::Spoilt).await,
        }
        let Self {
            node,
            session,
            kept,
            undone,
            reused,
            ..
        } = self;
        let first = kept.first().map(|entry| CommittedRecord {
            name: entry.context.name(),
            attempt: entry.attempt,
        });
        let committed = commit(&node.connections, session, first, limit).await;
        let mut ended = ChunkEnd::default();
        match committed {
            Ok(()) => {
                let kept = kept.into_iter();
                let first = kept.map(|entry| (entry.index, MessageOutcome::First));
                ended.outcomes.extend(first);
            }
            Err(Error::TryAgain(_) | Error::NotCommitted { .. }) => {
                let all = kept.iter().chain(undone.iter().map(|(entry, _)| entry));
                ended.again.extend(all.map(|entry| entry.index));
                park(reused, &mut ended).await;
                return ended;
            }
            Err(error) => ended.error = Some(error),
        }
        for (entry, error) in undone {
            let counted = entry
                .context
                .count_or_log(true, &error, ParkWhen::AtLimit)
                .await;
            ended.outcomes.push((entry.index, counted.into()));
        }
        park(reused, &mut ended).await;
        ended
    }

    /// Releases the guard and inserts the records. `false`: another worker was faster with one.
    async fn store(&mut self) -> Result<bool, Error> {
        self.session.leave_guard().await?;
        let completions: Vec<_> = self.kept.iter().map(ChunkEntry::completion).collect();
        let records = self.kept.iter().zip(&completions);
        let records: Vec<_> = records
            .map(|(entry, completion)| NewRecord {
                name: entry.context.name(),
                attempt: entry.attempt,
                fingerprint: &entry.fingerprint,
                completion,
                ttl: self.policy.ttl,
                refusal: None,
                encrypted: None,
            })
            .collect();
        if !self.session.insert_all(&records).await? {
            return Ok(false);
        }
        for entry in self.kept.iter().filter(|entry| entry.has_failed) {
            let settled = DB::delete_attempt_count(self.session.conn(), entry.context.name()).await;
            settled.map_err(claim_error::<DB>)?;
        }
        Ok(true)
    }

    /// Rolls back, and says for each message what follows.
    ///
    /// If a handler has ended the transaction, its own message and those before it may be durable
    /// without a record. They are parked at once, since they must not run again; the rest is tried
    /// again.
    pub(super) async fn lose(mut self, lost: ChunkLoss) -> ChunkEnd {
        let mut ended = ChunkEnd::default();
        let again: Vec<_> = self.all().map(|entry| entry.index).collect();
        self.session.distrust();
        if matches!(lost, ChunkLoss::TimeOver) {
            self.session.cancel(&self.node.connections).await;
        }
        let rolled_back = match lost {
            ChunkLoss::RolledBack => {
                self.session.leave_untouched(END_LIMIT).await;
                RolledBack::All
            }
            ChunkLoss::Spoilt | ChunkLoss::TimeOver | ChunkLoss::Store(_) => {
                let connections = &self.node.connections;
                self.session.roll_back_or_stop(connections, END_LIMIT).await
            }
        };
        match (rolled_back, lost) {
            (RolledBack::All, ChunkLoss::Store(error)) => ended.error = Some(error),
            (RolledBack::All, _) => ended.again = again,
            (RolledBack::GuardLost, _) => {
                for entry in self.kept.into_iter().chain(self.current) {
                    let text = Error::TransactionBroken.to_string();
                    let counted = entry.context.count_or_log(true, &text, ParkWhen::Now).await;
                    ended.outcomes.push((entry.index, counted.into()));
                }
                let undone = self.undone.into_iter().map(|(entry, _)| entry);
                let rest = undone.chain(self.waiting);
                ended.again.extend(rest.map(|entry| entry.index));
            }
        }
        park(self.reused, &mut ended).await;
        ended
    }
}

impl<DB: Backend> EndOnDrop for OpenChunk<DB> {
    /// The messages were dropped, perhaps one within a statement.
    fn end_on_drop(self) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        runtime.spawn(async move { self.lose(ChunkLoss::TimeOver).await });
    }
}

impl<DB: Backend> ChunkEntry<DB> {
    fn completion(&self) -> Completion {
        Completion {
            reference: self.reference.clone(),
            ..Completion::handled()
        }
    }
}

/// Parks the messages that reuse the id of another one, each in a transaction of its own.
pub(super) async fn park<DB: Backend>(
    reused: Vec<(usize, MessageContext<DB>)>,
    ended: &mut ChunkEnd,
) {
    for (index, context) in reused {
        let is_parked = context.park_reused().await;
        ended
            .outcomes
            .push((index, MessageOutcome::Reused { is_parked }));
    }
}

/// How long the end of a transaction may take after the deadline of its messages.
const LONGEST_END: Duration = Duration::from_secs(5);
