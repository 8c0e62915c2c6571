//! What of an attempt outlives its claim, and how it is stored, settled and sealed.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};
use uuid::Uuid;

use crate::attempt::claim::{Claim, replay};
use crate::attempt::fresh::Completed;
use crate::attempt::lock_keeper::RecordLock;
use crate::attempt::session::{END, Effects, RolledBack, Session, claim_error, commit_refused};
use crate::idempotency::Admission;
use crate::node::connection::Held;
use crate::node::in_flight::Place;
use crate::store::{Backend, CommitOutcome, Fault, NewRecord, Opening, StoredRecord};
use crate::{Completion, Error, Fingerprint, Idempotency, Policy, RecordName, metrics};

/// An attempt that may run: its place on this node, its terms, and its name if it has a key.
#[derive(Debug)]
pub(crate) struct ClaimedAttempt<DB: Backend> {
    pub(crate) idem: Idempotency<DB>,
    /// Keeps other processes out. Dropped before the place, whose next one asks for it.
    pub(crate) _process_lock: Option<DB::ProcessLock>,
    /// None for an attempt without a key.
    pub(crate) claimed: Option<(RecordName, Fingerprint, Place)>,
    pub(crate) id: Uuid,
    pub(crate) policy: Policy,
    pub(crate) deadline: Instant,
    pub(crate) _admission: Admission,
}

/// What storing has come to, before the waiters and the caller are told.
pub(crate) enum Stored {
    Committed(Completion),
    LostRace,
}

impl<DB: Backend> ClaimedAttempt<DB> {
    /// Guard, insert, commit: all of it, or nothing.
    pub(crate) async fn store(
        &self,
        mut session: Session<DB>,
        completion: Completion,
        effects: Effects,
        limit: Instant,
    ) -> Result<Stored, Error> {
        let inserted = timeout_at(limit, self.insert(&mut session, &completion, effects)).await;
        match inserted.unwrap_or(Err(Error::TimedOut)) {
            Ok(true) => self.commit(session, completion, limit).await,
            Ok(false) => {
                session.roll_back(END).await;
                Ok(Stored::LostRace)
            }
            Err(error) => match session.roll_back(END).await {
                RolledBack::All => Err(error),
                RolledBack::GuardLost => Err(Error::TransactionBroken),
            },
        }
    }

    async fn insert(
        &self,
        session: &mut Session<DB>,
        completion: &Completion,
        effects: Effects,
    ) -> Result<bool, Error> {
        session.leave_guard(effects).await?;
        let Some((name, fingerprint, _)) = &self.claimed else {
            return Ok(true);
        };
        let (attempt, ttl) = (self.id, self.policy.ttl);
        session
            .insert(&NewRecord {
                name,
                attempt,
                fingerprint,
                completion,
                ttl,
            })
            .await
    }

    async fn commit(
        &self,
        session: Session<DB>,
        completion: Completion,
        limit: Instant,
    ) -> Result<Stored, Error> {
        let name = self.claimed.as_ref().map(|(name, _, _)| name);
        commit(&self.idem, session, name, self.id, limit).await?;
        if let Some(name) = name {
            metrics::stored(name, &completion);
        }
        Ok(Stored::Committed(completion))
    }

    pub(crate) async fn release(
        self,
        session: Session<DB>,
        if_broken: impl FnOnce() -> Completion,
    ) -> Result<(), Error> {
        match session.roll_back_or_stop(&self.idem, END).await {
            RolledBack::All => Ok(()),
            RolledBack::GuardLost => {
                self.seal(if_broken()).await;
                Err(Error::TransactionBroken)
            }
        }
    }

    /// Tells the waiters, and the caller whose answer counts.
    pub(crate) async fn finish(
        self,
        ended: Result<Stored, Error>,
        if_broken: impl FnOnce() -> Completion,
    ) -> Result<Completed, Error> {
        match ended {
            Ok(Stored::Committed(completion)) => {
                self.answer_waiters(completion);
                Ok(Completed::Committed)
            }
            Ok(Stored::LostRace) => self.answer_of_winner().await,
            Err(Error::TransactionBroken) => {
                self.seal(if_broken()).await;
                Err(Error::TransactionBroken)
            }
            Err(error) => Err(error),
        }
    }

    pub(crate) fn answer_waiters(self, completion: Completion) {
        let Some((_, fingerprint, place)) = self.claimed else {
            return;
        };
        place.completed(&Arc::new(StoredRecord::new(&fingerprint, completion)));
    }

    pub(crate) async fn answer_of_winner(self) -> Result<Completed, Error> {
        let Some((name, fingerprint, place)) = self.claimed else {
            return Err(Error::TryAgain(None));
        };
        let until = Instant::now() + END;
        let look = async {
            let mut conn = self.idem.acquire(until).await?;
            let found = DB::find(&mut conn.conn, &name).await;
            conn.settle(found).map_err(claim_error::<DB>)
        };
        match timeout_at(until, look)
            .await
            .unwrap_or(Err(Error::TryAgain(None)))?
        {
            Some(record) if !record.expired => {
                let record = Arc::new(record);
                place.completed(&record);
                match replay::<()>(&record, &fingerprint)? {
                    Claim::Replay(completion) => Ok(Completed::Replay(completion)),
                    _ => Ok(Completed::Mismatch),
                }
            }
            _ => Err(Error::TryAgain(None)),
        }
    }

    /// Stores a terminal answer in a transaction of its own, so that retries do not run.
    async fn seal(&self, terminal: Completion) {
        let limit = self.end_of_completion();
        let seal = async {
            let mut session = self.open(limit).await?;
            if self.insert(&mut session, &terminal, Effects::Keep).await? {
                session.commit().await.map_err(claim_error::<DB>)?;
            }
            Ok::<_, Error>(())
        };
        let sealed = timeout_at(limit, seal).await;
        if let Err(error) = sealed.unwrap_or(Err(Error::TimedOut)) {
            let error: &dyn std::error::Error = &error;
            tracing::error!(
                error,
                "the terminal record could not be stored: a retry would run"
            );
        }
    }

    /// What its lock is taken again with.
    pub(crate) fn lock(&self) -> Option<RecordLock<DB>> {
        let (name, ..) = self.claimed.as_ref()?;
        Some(RecordLock {
            idem: self.idem.clone(),
            name: name.clone(),
            attempt: self.id,
            policy: self.policy,
        })
    }

    /// What has become of its own record.
    pub(crate) async fn outcome(&self, limit: Instant) -> Result<CommitOutcome, Error> {
        let Some((name, ..)) = &self.claimed else {
            return Ok(CommitOutcome::Running);
        };
        let mut conn = self.idem.acquire(limit).await?;
        let asked = timeout_at(limit, DB::outcome(&mut conn.conn, name, self.id)).await;
        conn.settle(asked.map_err(|_| Error::TimedOut)?)
            .map_err(claim_error::<DB>)
    }

    pub(crate) async fn open(&self, limit: Instant) -> Result<Session<DB>, Error> {
        let name = self.claimed.as_ref().map(|(name, _, _)| name);
        let opening = Opening::new(name, self.id, &self.policy);
        Ok(Session::open(&self.idem, &opening, limit).await?.0)
    }

    /// A handler that ends just in time still has its writes committed.
    pub(crate) fn end_of_completion(&self) -> Instant {
        self.deadline.max(Instant::now() + Duration::from_secs(5))
    }
}

/// Commits, and finds out what became of a COMMIT that nobody acknowledges: of an attempt of this
/// name whose record is in it.
pub(crate) async fn commit<DB: Backend>(
    idem: &Idempotency<DB>,
    session: Session<DB>,
    name: Option<&RecordName>,
    attempt: Uuid,
    limit: Instant,
) -> Result<(), Error> {
    match timeout_at(limit, session.commit()).await {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(error)) => match DB::fault(&error) {
            Fault::Unknown => tracing::warn!(%error, "COMMIT was not acknowledged"),
            Fault::Collision => return Err(Error::TryAgain(Some(error))),
            fault @ (Fault::Aborted | Fault::GuardLost | Fault::Failed | Fault::Refused) => {
                return Err(commit_refused(error, fault));
            }
        },
        Err(_) => tracing::warn!("COMMIT was not acknowledged in time"),
    }
    let outcome = match name {
        Some(name) => find_outcome(idem, name, attempt).await,
        None => CommitOutcome::Running,
    };
    match outcome {
        CommitOutcome::Committed => Ok(()),
        CommitOutcome::RolledBack => Err(Error::TryAgain(None)),
        CommitOutcome::Running => Err(Error::OutcomeUnknown),
    }
}

/// Looks on other connections for what became of a COMMIT that nobody acknowledged.
async fn find_outcome<DB: Backend>(
    idem: &Idempotency<DB>,
    name: &RecordName,
    attempt: Uuid,
) -> CommitOutcome {
    const LONGEST_LOOK: Duration = Duration::from_secs(5);
    let look = async {
        loop {
            let asked = async {
                let mut conn = Held::lend(idem.pool().acquire().await?, None);
                let outcome = DB::outcome(&mut conn.conn, name, attempt).await;
                conn.settle(outcome)
            };
            match asked.await {
                Ok(CommitOutcome::Running) => {}
                Ok(outcome) => return outcome,
                Err(error) => tracing::debug!(%error, "the COMMIT cannot be looked up yet"),
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout_at(Instant::now() + LONGEST_LOOK, look)
        .await
        .unwrap_or(CommitOutcome::Running)
}
