//! A delivery that asks whether it may be handled.

use tokio::time::{Instant, timeout_at};

use super::attempt::RunningAttempt;
use super::counting::{Counted, ParkWhen};
use super::failure::MessageContext;
use super::{Inbox, Message, ProcessError, Processed};
use crate::attempt::claim::replay;
use crate::attempt::decision::{ClaimDecision, Work};
use crate::attempt::session::{END, claim_error};
use crate::store::Backend;
use crate::{Attempt, Claim, Error, Failure, Fingerprint, Fresh, Idempotency, Operation};
use crate::{Policy, RecordName, Scope};

/// A delivery of a message to a consumer.
#[derive(Debug)]
pub(super) struct Delivery<DB: Backend> {
    idem: Idempotency<DB>,
    attempt: Attempt,
    is_redelivered: bool,
    failing: MessageContext<DB>,
}

/// What a claim has come to.
enum Claimed<DB: Backend> {
    /// As another attempt's.
    Claim(Claim<Fresh<DB>>),
    /// It may run, and is counted.
    Counted(Fresh<DB>),
    /// It was counted, and has been tried as often as may be.
    Exhausted(Counted),
}

impl<DB: Backend> Inbox<DB> {
    /// `None` for a message without an id.
    pub(super) fn delivery_to(
        &self,
        operation: &Operation,
        message: &Message<'_>,
    ) -> Option<Delivery<DB>> {
        let policy = self.policy(operation);
        let attempt = Attempt {
            name: RecordName {
                scope: message.scope.clone().unwrap_or_else(Scope::global),
                operation: operation.clone(),
                key: message.key()?,
            },
            fingerprint: match &message.fingerprint {
                Some(fingerprint) => fingerprint.clone(),
                None => Fingerprint::none(),
            },
            policy: policy.of_attempt(),
            deadline: Instant::now() + policy.timeout,
        };
        let idem = self.idempotency().clone();
        Some(Delivery {
            failing: MessageContext::new(&idem, &attempt, policy, message),
            idem,
            attempt,
            is_redelivered: message.is_redelivered(),
        })
    }
}

impl<DB: Backend> Delivery<DB> {
    /// The same, whose time begins now.
    pub(super) fn restarted(mut self) -> Self {
        self.attempt.deadline = Instant::now() + self.attempt.policy.timeout;
        self
    }

    pub(super) fn idem(&self) -> &Idempotency<DB> {
        &self.idem
    }

    pub(super) fn name(&self) -> &RecordName {
        &self.attempt.name
    }

    pub(super) fn fingerprint(&self) -> &Fingerprint {
        &self.attempt.fingerprint
    }

    pub(super) fn policy(&self) -> Policy {
        self.attempt.policy
    }

    pub(super) fn failing(&self) -> &MessageContext<DB> {
        &self.failing
    }

    /// Whether a message of the same name has the same content, as far as that is known.
    pub(super) fn is_copy_of(&self, other: Option<&Self>) -> bool {
        other.is_some_and(|other| self.fingerprint() == other.fingerprint())
    }

    pub(super) fn is_redelivered(&self) -> bool {
        self.is_redelivered
    }

    /// The attempt that may run, or what the message has come to otherwise.
    ///
    /// The claim has a task of its own: when its caller is dropped, it still ends in order.
    pub(super) async fn claim<T, E>(
        self,
    ) -> Result<Result<RunningAttempt<DB>, Processed<T>>, ProcessError<E>> {
        let failing = self.failing.clone();
        let claimed = tokio::spawn(self.claim_and_count()).await;
        // A task ends early only with its runtime, or by a panic.
        match claimed.unwrap_or(Err(Error::TryAgain(None)))? {
            Claimed::Counted(fresh) => Ok(Ok(RunningAttempt::new(fresh, failing, true))),
            Claimed::Claim(Claim::Fresh(fresh)) => {
                Ok(Ok(RunningAttempt::new(fresh, failing, false)))
            }
            Claimed::Claim(Claim::InFlight) => Ok(Err(Processed::InFlight)),
            Claimed::Claim(Claim::Replay(completion)) if completion.is_parked() => {
                Ok(Err(Processed::Parked))
            }
            Claimed::Claim(Claim::Replay(_)) => Ok(Err(Processed::Duplicate)),
            Claimed::Claim(Claim::Mismatch) => Err(ProcessError::Reused {
                is_parked: failing.park_reused().await,
            }),
            Claimed::Exhausted(counted) => Err(ProcessError::Failed {
                failure: Failure::Crashed,
                attempts: counted.attempts,
                is_parked: counted.is_parked,
            }),
        }
    }

    async fn claim_and_count(self) -> Result<Claimed<DB>, Error> {
        match self.idem.claim(self.attempt.clone()).await? {
            Claim::Fresh(fresh) if self.is_redelivered => self.count_first(fresh).await,
            claim => Ok(Claimed::Claim(claim)),
        }
    }

    /// Commits the count, and claims anew: what crashes the worker leaves nobody to count later.
    async fn count_first(self, fresh: Fresh<DB>) -> Result<Claimed<DB>, Error> {
        let (ticket, mut session) = fresh.into_parts();
        let count = async {
            let attempts = self.failing.count_first(&mut session).await?;
            session.commit().await.map_err(claim_error::<DB>)?;
            Ok(attempts)
        };
        let counted = timeout_at(self.attempt.deadline, count).await;
        if self
            .failing
            .is_beyond_limit(counted.unwrap_or(Err(Error::TimedOut))?)
        {
            // What it failed with before, if anything, says more than that.
            let counted = self.failing.count(false, None, ParkWhen::Now).await?;
            return Ok(Claimed::Exhausted(counted));
        }
        // MariaDB and MySQL give the lock of the count back while nobody waits.
        let patience = Instant::now() + END;
        let asked = self
            .idem
            .ask_until(&self.attempt, Work::InTransaction, ticket.id, patience);
        let asked = timeout_at(self.attempt.deadline, asked).await;
        Ok(match asked.unwrap_or(Err(Error::TimedOut))? {
            ClaimDecision::Fresh(session, _) => Claimed::Counted(Fresh::new(ticket, session)),
            ClaimDecision::Found(record) => {
                Claimed::Claim(replay(&record, &self.attempt.fingerprint)?)
            }
            ClaimDecision::Running => Claimed::Claim(Claim::InFlight),
        })
    }
}
