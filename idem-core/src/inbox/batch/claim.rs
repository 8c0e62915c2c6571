//! Messages of which it is being found out whether they may be handled.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use super::chunk::{Chunk, Entry, Held};
use super::commit::{Ended, park};
use super::outcome::Outcome;
use crate::attempt::claim::{Claim, replay};
use crate::attempt::session::{END, Session};
use crate::idempotency::Admission;
use crate::inbox::delivery::Delivery;
use crate::inbox::failure::MessageContext;
use crate::node::in_flight::Arrival;
use crate::store::{Backend, Opening, Seen, StoredRecord};
use crate::{Error, Idempotency, Policy};

/// What claiming messages has come to.
pub(in crate::inbox) struct Claimed<DB: Backend> {
    /// Those that may be handled, if any.
    pub(in crate::inbox) chunk: Option<Chunk<DB>>,
    pub(in crate::inbox) told: Vec<(usize, Outcome)>,
}

impl<DB: Backend> Chunk<DB> {
    /// Claims the messages, on a task of its own.
    pub(in crate::inbox) async fn claim<'d>(
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
}

/// Messages of which it is being found out whether they may be handled.
struct Claiming<DB: Backend> {
    idem: Idempotency<DB>,
    policy: Policy,
    deadline: Instant,
    entries: Vec<Entry<DB>>,
    told: Vec<(usize, Outcome)>,
    reused: Vec<(usize, MessageContext<DB>)>,
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
            Arrival::Duplicate | Arrival::Queued(..) | Arrival::Full => {
                self.told.push((index, Outcome::InFlight));
            }
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
            Ok(Claim::Replay(completion)) if completion.is_parked() => Outcome::Parked,
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
