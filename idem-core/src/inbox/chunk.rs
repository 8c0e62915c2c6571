//! Messages that share a transaction, each with a savepoint of its own in it.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use scopeguard::ScopeGuard;
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use super::Outcome;
use super::delivery::Delivery;
use super::failing::{Failing, Parks, handled, is_parked};
use crate::claim::{Claim, replay};
use crate::idempotency::Admission;
use crate::in_flight::{Arrival, Place};
use crate::session::{END, Effects, RolledBack, Session, claim_error};
use crate::store::{Backend, Fault, NewRecord, Opening, Seen, StoredRecord};
use crate::{Completion, Error, Fingerprint, Idempotency, Policy, Tx, ticket};

/// Claimed messages in an open transaction. Dropped, it is stopped and rolled back.
pub(super) struct Chunk<DB: Backend> {
    held: ScopeGuard<Held<DB>, fn(Held<DB>)>,
}

struct Held<DB: Backend> {
    idem: Idempotency<DB>,
    session: Session<DB>,
    policy: Policy,
    deadline: Instant,
    waiting: VecDeque<Entry<DB>>,
    current: Option<Entry<DB>>,
    /// Their savepoints are left; they commit with the transaction.
    kept: Vec<Entry<DB>>,
    /// Rolled back to their savepoints, with what they failed with.
    undone: Vec<(Entry<DB>, String)>,
    /// They have the names of others. They are parked when the transaction has ended, since some
    /// databases let one write at a time.
    reused: Vec<(usize, Failing<DB>)>,
    _admission: Admission,
}

/// A message that may be handled.
struct Entry<DB: Backend> {
    index: usize,
    attempt: Uuid,
    failing: Failing<DB>,
    fingerprint: Fingerprint,
    place: Place,
    has_failed: bool,
    reference: Option<String>,
}

/// What claiming messages has come to.
pub(super) struct Claimed<DB: Backend> {
    /// Those that may be handled, if any.
    pub(super) chunk: Option<Chunk<DB>>,
    pub(super) told: Vec<(usize, Outcome)>,
}

/// How a chunk has ended.
#[derive(Default)]
pub(super) struct Ended {
    pub(super) outcomes: Vec<(usize, Outcome)>,
    /// Nothing of these is kept, and each can be tried in a transaction of its own.
    pub(super) again: Vec<usize>,
    pub(super) error: Option<Error>,
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
    /// Claims the messages, on a task of its own.
    pub(super) async fn claim<'d>(
        deliveries: impl Iterator<Item = (usize, &'d Delivery<DB>)>,
    ) -> Result<Claimed<DB>, Error> {
        let mut claiming: Option<Claiming<DB>> = None;
        for (index, delivery) in deliveries {
            let claiming = match &mut claiming {
                Some(claiming) => claiming,
                None => claiming.insert(Claiming::begin(delivery)?),
            };
            claiming.arrive(index, delivery);
        }
        let Some(claiming) = claiming else {
            let (chunk, told) = (None, Vec::new());
            return Ok(Claimed { chunk, told });
        };
        let claimed = tokio::spawn(claiming.claim()).await;
        claimed.unwrap_or(Err(Error::TryAgain(None)))
    }

    /// Keeps the current message's effect, and sets the savepoint of the next.
    pub(super) async fn next(&mut self) -> Result<Option<usize>, Lost> {
        if self.held.waiting.is_empty() {
            return Ok(None);
        }
        let text = match self.held.current {
            Some(_) => NEXT,
            None => SET,
        };
        match self.held.savepoint(text).await {
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
        let run = DB::savepoint(self.session.conn(), text);
        // A statement that a handler has dropped can make sqlx panic at the next.
        let run = AssertUnwindSafe(run).catch_unwind();
        match timeout_at(limit, run).await {
            Ok(Ok(Ok(true))) => Ok(()),
            Ok(Ok(Ok(false))) => Err(Trouble::Lost(Lost::RolledBack)),
            Ok(Ok(Err(error))) => Err(match DB::fault(&error) {
                Fault::Aborted => Trouble::Aborted,
                Fault::Unknown => Trouble::Lost(Lost::Store(claim_error::<DB>(error))),
                Fault::Collision | Fault::GuardLost | Fault::Refused => Trouble::Lost(Lost::Spoilt),
            }),
            Ok(Err(_)) => Err(Trouble::Lost(Lost::Spoilt)),
            Err(_) => Err(Trouble::Lost(Lost::TimeOver)),
        }
    }

    fn keep_current(&mut self) {
        self.kept.extend(self.current.take());
    }

    fn all(&self) -> impl Iterator<Item = &Entry<DB>> {
        let undone = self.undone.iter().map(|(entry, _)| entry);
        let kept = self.kept.iter().chain(&self.current);
        kept.chain(undone).chain(&self.waiting)
    }

    async fn commit(mut self) -> Ended {
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
        let committed = ticket::commit(&idem, session, name, attempt, limit).await;
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
                .count_or_log(true, &error, Parks::AtLimit)
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

    async fn lose(mut self, lost: Lost) -> Ended {
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
                    let counted = entry.failing.count_or_log(true, &text, Parks::Now).await;
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
    fn abandon(self) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        runtime.spawn(async move { self.lose(Lost::TimeOver).await });
    }
}

/// Messages of which it is being found out whether they may be handled.
struct Claiming<DB: Backend> {
    idem: Idempotency<DB>,
    policy: Policy,
    deadline: Instant,
    entries: Vec<Entry<DB>>,
    told: Vec<(usize, Outcome)>,
    reused: Vec<(usize, Failing<DB>)>,
    admission: Admission,
}

impl<DB: Backend> Claiming<DB> {
    fn begin(delivery: &Delivery<DB>) -> Result<Self, Error> {
        let policy = delivery.policy();
        Ok(Self {
            admission: delivery.idem().admit()?,
            idem: delivery.idem().clone(),
            policy,
            deadline: Instant::now() + policy.timeout,
            entries: Vec::new(),
            told: Vec::new(),
            reused: Vec::new(),
        })
    }

    /// Takes the message's place on this node.
    fn arrive(&mut self, index: usize, delivery: &Delivery<DB>) {
        let fingerprint = delivery.fingerprint().clone();
        let in_flight = self.idem.in_flight();
        match in_flight.arrive(delivery.name(), &fingerprint, false) {
            Arrival::First(place) => self.entries.push(Entry {
                index,
                attempt: Uuid::new_v4(),
                failing: delivery.failing().clone(),
                fingerprint,
                place,
                has_failed: false,
                reference: None,
            }),
            Arrival::Mismatch => self.reused.push((index, delivery.failing().clone())),
            Arrival::Duplicate | Arrival::Queued(_) => self.told.push((index, Outcome::InFlight)),
        }
    }

    async fn claim(mut self) -> Result<Claimed<DB>, Error> {
        if self.entries.is_empty() {
            return Ok(self.leave().await);
        }
        let mut retries = 0..self.idem.settings().claim_retries;
        let (session, seen) = loop {
            let asked = timeout_at(self.deadline, self.ask()).await;
            match asked.unwrap_or(Err(Error::TimedOut)) {
                Err(Error::TryAgain(_)) if retries.next().is_some() => {}
                asked => break asked?,
            }
        };
        let mut waiting = VecDeque::new();
        for (mut entry, seen) in std::mem::take(&mut self.entries).into_iter().zip(seen) {
            match seen.found.filter(|record| !record.expired) {
                Some(record) => self.tell(entry, &Arc::new(record)),
                None if !seen.is_free => self.told.push((entry.index, Outcome::InFlight)),
                None => {
                    entry.has_failed = seen.has_failed;
                    entry.place.runs();
                    waiting.push_back(entry);
                }
            }
        }
        if waiting.is_empty() {
            session.leave_untouched(END).await;
            return Ok(self.leave().await);
        }
        let held = Held {
            idem: self.idem,
            session,
            policy: self.policy,
            deadline: self.deadline,
            waiting,
            current: None,
            kept: Vec::new(),
            undone: Vec::new(),
            reused: self.reused,
            _admission: self.admission,
        };
        let held = scopeguard::guard(held, Held::abandon as fn(Held<DB>));
        Ok(Claimed {
            chunk: Some(Chunk { held }),
            told: self.told,
        })
    }

    /// None of them may be handled.
    async fn leave(mut self) -> Claimed<DB> {
        let mut ended = Ended::default();
        park(self.reused, &mut ended).await;
        self.told.extend(ended.outcomes);
        let (chunk, told) = (None, self.told);
        Claimed { chunk, told }
    }

    async fn ask(&self) -> Result<(Session<DB>, Vec<Seen>), Error> {
        let opening = Opening::new(None, Uuid::new_v4(), &self.policy);
        let (mut session, _) = Session::open(&self.idem, &opening, self.deadline).await?;
        let names: Vec<_> = self
            .entries
            .iter()
            .map(|entry| entry.failing.name())
            .collect();
        let seen = session.claim_all(&names).await?;
        Ok((session, seen))
    }

    /// Answers a message that has a record.
    fn tell(&mut self, entry: Entry<DB>, record: &Arc<StoredRecord>) {
        entry.place.completed(record);
        let told = match replay::<()>(record, &entry.fingerprint) {
            Ok(Claim::Replay(completion)) if is_parked(&completion) => Outcome::Parked,
            Ok(Claim::Replay(_)) => Outcome::Duplicate,
            Ok(Claim::Mismatch) => {
                self.reused.push((entry.index, entry.failing));
                return;
            }
            // Of a newer build, which may handle it.
            Ok(Claim::Fresh(()) | Claim::InFlight) | Err(_) => Outcome::InFlight,
        };
        self.told.push((entry.index, told));
    }
}

impl<DB: Backend> Entry<DB> {
    fn completion(&self) -> Completion {
        Completion {
            reference: self.reference.clone(),
            ..handled()
        }
    }
}

async fn park<DB: Backend>(reused: Vec<(usize, Failing<DB>)>, ended: &mut Ended) {
    for (index, failing) in reused {
        let is_parked = failing.park_reused().await;
        ended.outcomes.push((index, Outcome::Reused { is_parked }));
    }
}

const WENT_ON: &str = "a statement had failed and the handler went on";

const SET: &str = "savepoint idem_message";
const LEAVE: &str = "release savepoint idem_message";
const NEXT: &str = "release savepoint idem_message; savepoint idem_message";
const UNDO: &str = "rollback to savepoint idem_message; release savepoint idem_message";

/// How long the end of a transaction may take beyond the time of its messages.
const LONGEST_END: Duration = Duration::from_secs(5);
