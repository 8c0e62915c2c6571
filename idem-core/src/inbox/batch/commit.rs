//! The end of messages that share a transaction: committed together, or rolled back.

use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use super::chunk::{Entry, Held, Lost};
use super::outcome::Outcome;
use crate::attempt::complete;
use crate::attempt::session::{END, Effects, RolledBack, claim_error};
use crate::inbox::counting::ParkWhen;
use crate::inbox::failure::MessageContext;
use crate::store::{Backend, NewRecord};
use crate::{Completion, Error};

/// How a chunk has ended.
#[derive(Default)]
pub(in crate::inbox) struct Ended {
    pub(in crate::inbox) outcomes: Vec<(usize, Outcome)>,
    /// Nothing of these is kept, and each can be tried in a transaction of its own.
    pub(in crate::inbox) again: Vec<usize>,
    pub(in crate::inbox) error: Option<Error>,
}

impl<DB: Backend> Held<DB> {
    pub(super) async fn commit(mut self) -> Ended {
        let limit = self.deadline.max(Instant::now() + LONGEST_END);
        let stored = timeout_at(limit, self.store()).await;
        match stored.unwrap_or(Err(Error::TimedOut)) {
            Ok(true) => {}
            Ok(false) => return self.lose(Lost::Spoilt).await,
            Err(Error::TimedOut) => return self.lose(Lost::Store(Error::TimedOut)).await,
            Err(_) => return self.lose(Lost::Spoilt).await,
        }
        let Self {
            idem,
            session,
            kept,
            undone,
            reused,
            ..
        } = self;
        let first = kept
            .first()
            .map(|entry| (entry.failing.name(), entry.attempt));
        let name = first.map(|(name, _)| name);
        let attempt = first.map_or_else(Uuid::new_v4, |(_, attempt)| attempt);
        let committed = complete::commit(&idem, session, name, attempt, limit).await;
        let mut ended = Ended::default();
        match committed {
            Ok(()) => {
                let kept = kept.into_iter();
                let first = kept.map(|entry| (entry.index, Outcome::First));
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
                .failing
                .count_or_log(true, &error, ParkWhen::AtLimit)
                .await;
            ended.outcomes.push((entry.index, counted.into()));
        }
        park(reused, &mut ended).await;
        ended
    }

    /// Leaves the guard and inserts the records. `false`: another worker was faster with one.
    async fn store(&mut self) -> Result<bool, Error> {
        self.session.leave_guard(Effects::Keep).await?;
        let completions: Vec<_> = self.kept.iter().map(Entry::completion).collect();
        let records = self.kept.iter().zip(&completions);
        let records: Vec<_> = records
            .map(|(entry, completion)| NewRecord {
                name: entry.failing.name(),
                attempt: entry.attempt,
                fingerprint: &entry.fingerprint,
                completion,
                ttl: self.policy.ttl,
            })
            .collect();
        if !self.session.insert_all(&records).await? {
            return Ok(false);
        }
        for entry in self.kept.iter().filter(|entry| entry.has_failed) {
            let settled = DB::settle(self.session.conn(), entry.failing.name()).await;
            settled.map_err(claim_error::<DB>)?;
        }
        Ok(true)
    }

    pub(super) async fn lose(mut self, lost: Lost) -> Ended {
        let mut ended = Ended::default();
        let again: Vec<_> = self.all().map(|entry| entry.index).collect();
        self.session.distrust();
        if matches!(lost, Lost::TimeOver) {
            self.session.cancel(&self.idem).await;
        }
        let rolled_back = match lost {
            Lost::RolledBack => {
                self.session.leave_untouched(END).await;
                RolledBack::All
            }
            Lost::Spoilt | Lost::TimeOver | Lost::Store(_) => self.session.roll_back(END).await,
        };
        match (rolled_back, lost) {
            (RolledBack::All, Lost::Store(error)) => ended.error = Some(error),
            (RolledBack::All, _) => ended.again = again,
            (RolledBack::GuardLost, _) => {
                for entry in self.kept.into_iter().chain(self.current) {
                    let text = Error::TransactionBroken.to_string();
                    let counted = entry.failing.count_or_log(true, &text, ParkWhen::Now).await;
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

    /// Nobody waits for the messages any more. It may have been stopped within a statement.
    pub(super) fn abandon(self) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        runtime.spawn(async move { self.lose(Lost::TimeOver).await });
    }
}

impl<DB: Backend> Entry<DB> {
    fn completion(&self) -> Completion {
        Completion {
            reference: self.reference.clone(),
            ..Completion::handled()
        }
    }
}

pub(super) async fn park<DB: Backend>(reused: Vec<(usize, MessageContext<DB>)>, ended: &mut Ended) {
    for (index, failing) in reused {
        let is_parked = failing.park_reused().await;
        ended.outcomes.push((index, Outcome::Reused { is_parked }));
    }
}

/// How long the end of a transaction may take beyond the time of its messages.
const LONGEST_END: Duration = Duration::from_secs(5);
