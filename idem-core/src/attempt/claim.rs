//! Finding out whether an attempt may run: the node's own attempts first, then the database.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use crate::attempt::complete::ClaimedAttempt;
use crate::attempt::decision::{ClaimDecision, Work};
use crate::attempt::session::Session;
use crate::idempotency::Entered;
use crate::model::fingerprint::Comparison;
use crate::node::in_flight::{Arrival, WaiterSignal};
use crate::store::{Backend, FORMAT, StoredRecord};
use crate::{
    Completion, Error, Fingerprint, Fresh, FreshWithoutTx, Idempotency, Policy, RecordName,
    WhileRunning, metrics,
};

/// One request, or delivery, that carries a key.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The record it is about.
    pub name: RecordName,
    /// What must not change between retries.
    pub fingerprint: Fingerprint,
    /// The terms of its operation.
    pub policy: Policy,
    /// When its time is over. [`Policy::timeout`] counts from when its request is there.
    pub deadline: Instant,
}

/// What an attempt may do.
#[derive(Debug)]
#[must_use = "dropping a fresh claim rolls it back"]
#[expect(
    clippy::exhaustive_enums,
    reason = "a caller must treat each of the four"
)]
pub enum Claim<F> {
    /// It is the first: run the operation, then complete or release.
    Fresh(F),
    /// It has been done: answer from the completion.
    Replay(Arc<Completion>),
    /// It is being done right now, by another attempt.
    InFlight,
    /// The key was used for another request.
    Mismatch,
}

impl<DB: Backend> Idempotency<DB> {
    /// Claims the attempt's record and, when it is fresh, opens the transaction to run in.
    ///
    /// # Errors
    ///
    /// Each error means that nothing ran: [`Error::Unavailable`], [`Error::ReadOnly`],
    /// [`Error::Overloaded`], [`Error::ShuttingDown`], [`Error::TimedOut`], [`Error::TryAgain`]
    /// after the bounded number of retries, and [`Error::Unreadable`].
    ///
    /// # Cancellation
    ///
    /// Dropping the future at any await closes the connection and frees the key.
    pub async fn claim(&self, attempt: Attempt) -> Result<Claim<Fresh<DB>>, Error> {
        let claim = self
            .claim_until_deadline(attempt, Work::InTransaction)
            .await?;
        Ok(claim.map(|(ticket, session)| Fresh::new(ticket, session)))
    }

    /// Claims the attempt's record for work that does not use the transaction.
    ///
    /// On SQLite no transaction is open meanwhile, since it would shut out the work's own
    /// writes: a lock on a file beside the database keeps other processes out. Other databases
    /// hold a connection for as long as the work takes, and another one where that is lost.
    ///
    /// # Errors
    ///
    /// As [`claim`](Self::claim).
    ///
    /// # Cancellation
    ///
    /// As [`claim`](Self::claim).
    pub async fn claim_without_tx(
        &self,
        mut attempt: Attempt,
    ) -> Result<Claim<FreshWithoutTx<DB>>, Error> {
        attempt.policy.isolation = DB::WITHOUT_TX;
        Ok(
            match self.claim_until_deadline(attempt, Work::Outside).await? {
                Claim::Fresh((ticket, session)) => {
                    Claim::Fresh(FreshWithoutTx::new(ticket, session).await)
                }
                Claim::Replay(completion) => Claim::Replay(completion),
                Claim::InFlight => Claim::InFlight,
                Claim::Mismatch => Claim::Mismatch,
            },
        )
    }

    /// Opens a transaction for an attempt without a key: nothing protects it against a retry.
    ///
    /// # Errors
    ///
    /// As [`claim`](Self::claim).
    ///
    /// # Cancellation
    ///
    /// As [`claim`](Self::claim).
    pub async fn begin_unprotected(
        &self,
        policy: Policy,
        deadline: Instant,
    ) -> Result<Fresh<DB>, Error> {
        let ticket = ClaimedAttempt {
            _admission: self.admit()?,
            idem: self.clone(),
            _process_lock: None,
            claimed: None,
            id: Uuid::new_v4(),
            policy,
            deadline,
        };
        let session = ticket.open(deadline).await?;
        Ok(Fresh::new(ticket, session))
    }

    async fn claim_until_deadline(
        &self,
        attempt: Attempt,
        work: Work,
    ) -> Result<Claim<(ClaimedAttempt<DB>, Session<DB>)>, Error> {
        let entered = self.enter()?;
        let deadline = attempt.deadline;
        let claim = self.claim_entered(attempt, work, entered);
        timeout_at(deadline, claim)
            .await
            .unwrap_or(Err(Error::TimedOut))
    }

    async fn claim_entered(
        &self,
        attempt: Attempt,
        work: Work,
        entered: Entered,
    ) -> Result<Claim<(ClaimedAttempt<DB>, Session<DB>)>, Error> {
        let Attempt {
            name,
            fingerprint,
            policy,
            deadline,
        } = &attempt;
        let now = Instant::now();
        let (patient, patience) = match policy.while_running {
            WhileRunning::Reject => (false, now),
            WhileRunning::Wait(limit) => (true, now + limit.min(Policy::MAX_TIMEOUT)),
        };
        let until = if patient {
            patience
        } else {
            now + LONGEST_DOUBT
        };
        let (place, admission) = match self.in_flight().arrive(name, fingerprint, patient) {
            Arrival::First(place) => (place, self.admit_entered(entered)?),
            Arrival::Mismatch => return Ok(Claim::Mismatch),
            Arrival::Duplicate => return Ok(Claim::InFlight),
            Arrival::Full => return Err(Error::Overloaded),
            Arrival::Queued(told, _waits) => match timeout_at(until, told).await {
                Ok(Ok(WaiterSignal::Promoted(place))) => {
                    (place, self.admit_by(until, entered).await?)
                }
                Ok(Ok(WaiterSignal::Completed(record))) => return replay(&record, fingerprint),
                Ok(Ok(WaiterSignal::Mismatch)) => return Ok(Claim::Mismatch),
                Ok(Ok(WaiterSignal::Duplicate) | Err(_)) | Err(_) => return Ok(Claim::InFlight),
            },
        };
        let id = Uuid::new_v4();
        match self.ask_until(&attempt, work, id, patience).await? {
            ClaimDecision::Running => Ok(Claim::InFlight),
            ClaimDecision::Found(record) => {
                place.completed(&record);
                let told = replay(&record, fingerprint);
                if let Ok(Claim::Replay(_)) = &told {
                    came_again(name, record.age);
                }
                told
            }
            ClaimDecision::Fresh(session, process_lock) => {
                place.runs();
                let fingerprint = fingerprint.without_body();
                let ticket = ClaimedAttempt {
                    idem: self.clone(),
                    _process_lock: process_lock,
                    id,
                    policy: *policy,
                    deadline: *deadline,
                    claimed: Some((attempt.name, fingerprint, place)),
                    _admission: admission,
                };
                Ok(Claim::Fresh((ticket, session)))
            }
        }
    }
}

/// Says how long after the first attempt its retry came.
pub(crate) fn came_again(name: &RecordName, age: Duration) {
    metrics::record(&metrics::RETRY_AGE, &[name.operation.as_str()], age);
    let seconds = age.as_secs_f64();
    tracing::Span::current().record("age", seconds);
}

/// How long a duplicate that does not wait is held until it is known whether the attempt before it
/// is the first. Whatever it is told earlier might be wrong: the record may be there already.
const LONGEST_DOUBT: Duration = Duration::from_secs(1);

/// Compares a stored record with the attempt's request.
pub(crate) fn replay<F>(
    record: &StoredRecord,
    fingerprint: &Fingerprint,
) -> Result<Claim<F>, Error> {
    if record.format != FORMAT {
        return Err(Error::Unreadable);
    }
    match fingerprint.compare(record.fingerprint_version, &record.fingerprint) {
        Comparison::Same => {}
        Comparison::Different => return Ok(Claim::Mismatch),
        Comparison::NotComparable => tracing::warn!(
            "a record is replayed that cannot be compared with the request: the operation has \
             changed what it compares since"
        ),
        Comparison::Unknown => return Err(Error::Unreadable),
    }
    Ok(Claim::Replay(Arc::clone(&record.completion)))
}

impl<F> Claim<F> {
    /// The same claim with another form of what may run.
    pub fn map<G>(self, map: impl FnOnce(F) -> G) -> Claim<G> {
        match self {
            Self::Fresh(fresh) => Claim::Fresh(map(fresh)),
            Self::Replay(completion) => Claim::Replay(completion),
            Self::InFlight => Claim::InFlight,
            Self::Mismatch => Claim::Mismatch,
        }
    }
}
