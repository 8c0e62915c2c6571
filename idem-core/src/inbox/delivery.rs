//! A delivery, and the claim of its message.
//!
//! Whether an attempt is counted before or after it runs depends on the broker's count:
//!
//! | delivery | counted | because |
//! | --- | --- | --- |
//! | the first | after a failure | most messages succeed, and pay nothing for the count |
//! | a later one | before it runs | the worker may have crashed, and may crash again |
//!
//! A count that is made before must be durable before the handler runs, so it is committed, and the
//! message claimed a second time. The place on this node is kept meanwhile. Another node can take
//! the lock in between; then this delivery is in flight.

use std::sync::Arc;

use tokio::time::{Instant, timeout_at};

use super::Inbox;
use super::attempt::RunningAttempt;
use super::context::MessageContext;
use super::failure::{Counted, ParkWhen};
use super::message::Message;
use super::outcome::{Failure, ProcessError, Processed};
use crate::attempt::commit::commit;
use crate::attempt::decision::{ClaimDecision, Work};
use crate::attempt::fresh::Fresh;
use crate::attempt::session::END_LIMIT;
use crate::attempt::{Attempt, Claim};
use crate::detach::DetachOnDrop;
use crate::node::Node;
use crate::store::Backend;
use crate::{Error, Fingerprint, Operation, Policy, RecordName, Scope};

/// A delivery of a message to a consumer.
#[derive(Debug)]
pub(super) struct Delivery<DB: Backend> {
    node: Arc<Node<DB>>,
    attempt: Attempt,
    is_redelivered: bool,
    context: MessageContext<DB>,
}

/// The outcome of a claim.
enum Claimed<DB: Backend> {
    /// The same as for a request.
    Claim(Claim<Fresh<DB>>),
    /// The attempt may run, and is counted.
    Counted(Fresh<DB>),
    /// The attempt is counted, and was the last one that the policy allows.
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
        let node = Arc::clone(self.idempotency().node());
        Some(Delivery {
            context: MessageContext::new(&node, &attempt, policy, message),
            node,
            attempt,
            is_redelivered: message.is_redelivered(),
        })
    }
}

impl<DB: Backend> Delivery<DB> {
    /// The same delivery with a deadline that counts from now.
    ///
    /// The deliveries of a batch are made together and handled one after the other, so each needs
    /// its time from its own turn on.
    pub(super) fn restarted(mut self) -> Self {
        self.attempt.deadline = Instant::now() + self.attempt.policy.timeout;
        self
    }

    pub(super) fn node(&self) -> &Arc<Node<DB>> {
        &self.node
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

    pub(super) fn context(&self) -> &MessageContext<DB> {
        &self.context
    }

    /// Whether a message of the same name has the same content, as far as fingerprints tell.
    pub(super) fn is_copy_of(&self, other: Option<&Self>) -> bool {
        other.is_some_and(|other| self.fingerprint() == other.fingerprint())
    }

    pub(super) fn is_redelivered(&self) -> bool {
        self.is_redelivered
    }

    /// Returns the attempt if it may run, or the outcome of the delivery.
    ///
    /// If the caller is dropped, the claim still ends in order, on a task.
    pub(super) async fn claim<T, E>(
        self,
    ) -> Result<Result<RunningAttempt<DB>, Processed<T>>, ProcessError<E>> {
        let context = self.context.clone();
        let claimed = DetachOnDrop::new(self.claim_and_count()).await;
        // It ends early only by a panic.
        match claimed.unwrap_or(Err(Error::TryAgain(None)))? {
            Claimed::Counted(fresh) => Ok(Ok(RunningAttempt::new(fresh, context, true))),
            Claimed::Claim(Claim::Fresh(fresh)) => {
                Ok(Ok(RunningAttempt::new(fresh, context, false)))
            }
            Claimed::Claim(Claim::InFlight) => Ok(Err(Processed::InFlight)),
            Claimed::Claim(Claim::Replay(completion)) if completion.is_parked() => {
                Ok(Err(Processed::Parked))
            }
            // No consumer refuses late redeliveries. It would mean that the message was handled.
            Claimed::Claim(Claim::Replay(_) | Claim::Expired) => Ok(Err(Processed::Duplicate)),
            Claimed::Claim(Claim::Mismatch) => Err(ProcessError::Reused {
                is_parked: context.park_reused().await,
            }),
            Claimed::Exhausted(counted) => Err(ProcessError::Failed {
                failure: Failure::Crashed,
                attempts: counted.attempts,
                is_parked: counted.is_parked,
            }),
        }
    }

    async fn claim_and_count(self) -> Result<Claimed<DB>, Error> {
        match self.node.claim(self.attempt.clone()).await? {
            Claim::Fresh(fresh) if self.is_redelivered => self.count_first(fresh).await,
            claim => Ok(Claimed::Claim(claim)),
        }
    }

    /// Commits the count, and claims anew: if the message crashes the worker, nobody counts later.
    ///
    /// If the attempts are used up, the message is parked without running: the worker has died with
    /// it as often as the policy allows. If anything fails before the COMMIT of the count, nothing
    /// has run and nothing is counted.
    async fn count_first(self, fresh: Fresh<DB>) -> Result<Claimed<DB>, Error> {
        let (claimed, mut session) = fresh.into_parts();
        let deadline = self.attempt.deadline;
        let counted = timeout_at(deadline, self.context.count_first(&mut session)).await;
        let attempts = counted.unwrap_or(Err(Error::TimedOut))?;
        commit(&self.node.connections, session, None, deadline).await?;
        if self.context.is_beyond_limit(attempts) {
            // No text: an earlier error, if there is one, says more.
            let counted = self.context.count(false, None, ParkWhen::Now).await?;
            return Ok(Claimed::Exhausted(counted));
        }
        // MariaDB and MySQL release the lock of the count some time after its COMMIT.
        let patience = Instant::now() + END_LIMIT;
        let (attempt, work) = (&self.attempt, Work::InTransaction);
        let decision = self.node.decide(attempt, work, claimed.id, patience);
        let decision = timeout_at(deadline, decision).await;
        Ok(match decision.unwrap_or(Err(Error::TimedOut))? {
            ClaimDecision::Fresh(session, _) => Claimed::Counted(Fresh::new(claimed, session)),
            ClaimDecision::Found(record) => {
                Claimed::Claim(Claim::of_record(&record, &self.attempt.fingerprint)?)
            }
            ClaimDecision::Running => Claimed::Claim(Claim::InFlight),
            ClaimDecision::Expired => Claimed::Claim(Claim::Expired),
        })
    }
}
