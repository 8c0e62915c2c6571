//! Claims a record for an attempt: first among the attempts of this node, then in the database.
//!
//! A claim has two halves. In the first an attempt takes its place among those of this node, or
//! waits for it. In the second it asks the database. The deadline bounds both together, waiting for
//! a connection included.
//!
//! A place is kept from then on. If the claim fails, its drop promotes the next waiter, which asks
//! anew: the failure of one attempt says nothing about the next, whose connection may work.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use super::claimed::{ClaimedAttempt, ClaimedRecord};
use super::decision::{ClaimDecision, Work};
use super::fresh::Fresh;
use super::session::Session;
use super::without_tx::FreshWithoutTx;
use super::{Attempt, Claim, report_retry_age};
use crate::node::Node;
use crate::node::admission::{Admission, Entry};
use crate::node::in_flight::{Arrival, Place, WaiterSignal};
use crate::store::{Backend, StoredRecord};
use crate::{Error, Policy, WhileRunning};

/// An attempt that may run, and the session that holds its lock.
type Claimed<DB> = (ClaimedAttempt<DB>, Session<DB>);

/// Whether the attempt may ask the database.
enum Turn {
    Granted(Place, Admission),
    /// Another attempt on this node has decided the claim.
    Answered(Claim<Infallible>),
}

impl<DB: Backend> Node<DB> {
    /// Claims for a handler that writes in the attempt's transaction.
    ///
    /// See [`Engine::claim`](crate::Engine::claim) for errors and cancellation.
    pub(crate) async fn claim(
        self: &Arc<Self>,
        attempt: Attempt,
    ) -> Result<Claim<Fresh<DB>>, Error> {
        let claim = self.claim_by_deadline(attempt, Work::InTransaction).await?;
        Ok(claim.map(|(claimed, session)| Fresh::new(claimed, session)))
    }

    /// Claims for a handler whose work is outside of the transaction.
    ///
    /// The isolation of the operation does not apply: the transaction holds nothing but the record,
    /// and above read committed the record could fail to be stored after work that cannot be
    /// undone.
    pub(crate) async fn claim_without_tx(
        self: &Arc<Self>,
        mut attempt: Attempt,
    ) -> Result<Claim<FreshWithoutTx<DB>>, Error> {
        attempt.policy.isolation = DB::RECORD_ISOLATION;
        let claim = self.claim_by_deadline(attempt, Work::Outside).await?;
        Ok(match claim {
            Claim::Fresh((claimed, session)) => {
                Claim::Fresh(FreshWithoutTx::new(claimed, session).await)
            }
            Claim::Replay(completion) => Claim::Replay(completion),
            Claim::InFlight => Claim::InFlight,
            Claim::Mismatch => Claim::Mismatch,
            Claim::Expired => Claim::Expired,
        })
    }

    /// Begins an attempt without a key.
    ///
    /// It takes no place on this node and no lock, since it has no name. The transaction, its guard
    /// and its end are those of any other attempt, so a handler sees no difference.
    pub(crate) async fn begin_unprotected(
        self: &Arc<Self>,
        policy: Policy,
        deadline: Instant,
    ) -> Result<Fresh<DB>, Error> {
        let claimed = ClaimedAttempt {
            _admission: self.admissions.admit()?,
            node: Arc::clone(self),
            _process_lock: None,
            record: None,
            id: Uuid::new_v4(),
            policy,
            deadline,
        };
        let session = claimed.open(deadline).await?;
        Ok(Fresh::new(claimed, session))
    }

    /// Enters the node, then claims until the attempt's deadline, unless the completion is remembered.
    ///
    /// At the deadline the inner future is dropped at whatever await it is. Its connection is
    /// closed then, and its place goes to the next waiter.
    async fn claim_by_deadline(
        self: &Arc<Self>,
        attempt: Attempt,
        work: Work,
    ) -> Result<Claim<Claimed<DB>>, Error> {
        let entry = self.admissions.enter()?;
        if let Some((record, age)) = self.replay_memory.get(&attempt.name) {
            return answer(&attempt, &record, age);
        }
        let deadline = attempt.deadline;
        let claim = self.claim_entered(attempt, work, entry);
        let claim = timeout_at(deadline, claim).await;
        claim.unwrap_or(Err(Error::TimedOut))
    }

    /// Takes the place, asks the database, and tells the duplicates what is known.
    ///
    /// A record that is found completes the place, so every waiter gets it without asking again.
    /// Each compares it with its own request. If another node runs the attempt, the place is
    /// dropped and the next waiter asks by itself: the answer can change at any moment.
    async fn claim_entered(
        self: &Arc<Self>,
        attempt: Attempt,
        work: Work,
        entry: Entry,
    ) -> Result<Claim<Claimed<DB>>, Error> {
        let now = Instant::now();
        let patience = match attempt.policy.while_running {
            WhileRunning::Reject => None,
            WhileRunning::Wait(limit) => Some(now + limit.min(Policy::MAX_TIMEOUT)),
        };
        let (place, admission) = match self.wait_for_turn(&attempt, patience, entry).await? {
            Turn::Granted(place, admission) => (place, admission),
            Turn::Answered(claim) => return Ok(claim.map(|never| match never {})),
        };
        let id = Uuid::new_v4();
        let claimed_at = self.replay_memory.claim_time();
        let decision = self.decide(&attempt, work, id, patience.unwrap_or(now));
        let (session, process_lock) = match decision.await? {
            ClaimDecision::Running => return Ok(Claim::InFlight),
            ClaimDecision::Expired => return Ok(Claim::Expired),
            ClaimDecision::Found(record) => {
                self.known_names.add(&attempt.name);
                place.completed(&record);
                return answer(&attempt, &record, record.age);
            }
            ClaimDecision::Fresh(session, process_lock) => (session, process_lock),
        };
        place.runs();
        let claimed = ClaimedAttempt {
            node: Arc::clone(self),
            _process_lock: process_lock,
            id,
            policy: attempt.policy,
            deadline: attempt.deadline,
            record: Some(ClaimedRecord {
                fingerprint: attempt.fingerprint.without_body(),
                name: attempt.name,
                place,
                claimed_at,
            }),
            _admission: admission,
        };
        Ok(Claim::Fresh((claimed, session)))
    }

    /// Takes the attempt's place on this node. A duplicate waits for the earlier attempt until
    /// `patience`; without it, until the earlier one is known to run.
    ///
    /// A lost signal (the sender was dropped without a word) counts as in flight: it is the one
    /// answer that is never wrong, since the client only asks again.
    async fn wait_for_turn(
        &self,
        attempt: &Attempt,
        patience: Option<Instant>,
        entry: Entry,
    ) -> Result<Turn, Error> {
        let Attempt {
            name, fingerprint, ..
        } = attempt;
        let until = patience.unwrap_or_else(|| Instant::now() + LONGEST_DOUBT);
        let arrival = self.in_flight.arrive(name, fingerprint, patience.is_some());
        let (signal, _waits) = match arrival {
            Arrival::First(place) => {
                let admission = self.admissions.admit_entered(entry)?;
                return Ok(Turn::Granted(place, admission));
            }
            Arrival::Mismatch => return Ok(Turn::Answered(Claim::Mismatch)),
            Arrival::Duplicate => return Ok(Turn::Answered(Claim::InFlight)),
            Arrival::Full => return Err(Error::Overloaded),
            Arrival::Queued(signal, waits) => (signal, waits),
        };
        let claim = match timeout_at(until, signal).await {
            Ok(Ok(WaiterSignal::Promoted(place))) => {
                let admission = self.admissions.admit_by(until, entry).await?;
                return Ok(Turn::Granted(place, admission));
            }
            Ok(Ok(WaiterSignal::Completed(record))) => Claim::of_record(&record, fingerprint)?,
            Ok(Ok(WaiterSignal::Mismatch)) => Claim::Mismatch,
            Ok(Ok(WaiterSignal::Duplicate) | Err(_)) | Err(_) => Claim::InFlight,
        };
        Ok(Turn::Answered(claim))
    }
}

/// What a stored record answers an attempt.
fn answer<F>(attempt: &Attempt, record: &StoredRecord, age: Duration) -> Result<Claim<F>, Error> {
    let claim = Claim::of_record(record, &attempt.fingerprint);
    if let Ok(Claim::Replay(_)) = &claim {
        report_retry_age(&attempt.name, age);
    }
    claim
}

/// How long a duplicate that does not wait is kept until Idem knows whether the earlier attempt is
/// the first. An earlier answer might be wrong: the record may exist already.
const LONGEST_DOUBT: Duration = Duration::from_secs(1);
