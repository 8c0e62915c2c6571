//! What is counted and kept of a message that cannot be handled.

use std::fmt;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::task::task_tracker::TaskTrackerToken;
use uuid::Uuid;

use super::{ConsumerPolicy, Message, Outcome};
use crate::session::{END, Effects, Session, claim_error};
use crate::store::{Backend, NewAttempt, NewRecord, Opening};
use crate::{Attempt, Completion, Error, Fingerprint, Idempotency, IdempotencyKey, RecordName};

/// A message, in case that its handling fails.
pub(super) struct Failing<DB: Backend> {
    idem: Idempotency<DB>,
    name: RecordName,
    fingerprint: Fingerprint,
    policy: ConsumerPolicy,
    message_id: Vec<u8>,
    reference: Option<String>,
    payload: Option<Vec<u8>>,
}

/// How often a message has failed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counted {
    /// 0 if it could not be counted.
    pub(super) attempts: u32,
    pub(super) is_parked: bool,
}

impl From<Counted> for Outcome {
    fn from(counted: Counted) -> Self {
        Self::Failed {
            attempts: counted.attempts,
            is_parked: counted.is_parked,
        }
    }
}

/// When a failed message is parked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Parks {
    AtLimit,
    Now,
}

impl<DB: Backend> Failing<DB> {
    pub(super) fn new(
        idem: &Idempotency<DB>,
        attempt: &Attempt,
        policy: ConsumerPolicy,
        message: &Message<'_>,
    ) -> Self {
        Self {
            idem: idem.clone(),
            name: attempt.name.clone(),
            fingerprint: attempt.fingerprint.clone(),
            policy,
            message_id: message.id.to_vec(),
            reference: message.reference.as_deref().map(without_nul),
            payload: message.payload.as_deref().map(<[u8]>::to_vec),
        }
    }

    pub(super) fn name(&self) -> &RecordName {
        &self.name
    }

    /// A shutdown waits until this is dropped.
    pub(super) fn running(&self) -> TaskTrackerToken {
        self.idem.running_token()
    }

    pub(super) fn is_beyond_limit(&self, attempts: u32) -> bool {
        attempts > self.policy.max_attempts
    }

    /// Counts an attempt in a transaction that is open.
    pub(super) async fn count_in(
        &self,
        session: &mut Session<DB>,
        is_new: bool,
        error: Option<&str>,
    ) -> Result<u32, Error> {
        let attempt = NewAttempt {
            name: &self.name,
            message_id: &self.message_id,
            is_new,
            error,
            reference: self.reference.as_deref(),
            payload: self.payload.as_deref(),
            retention: self.policy.retention,
        };
        let counted = DB::count_attempt(session.conn(), &attempt).await;
        let attempts = counted.map_err(claim_error::<DB>)?;
        Ok(u32::try_from(attempts).unwrap_or(0))
    }

    /// As [`count`](Self::count). A failure that cannot be counted is tried once more than allowed.
    pub(super) async fn count_or_log(&self, is_new: bool, error: &str, parks: Parks) -> Counted {
        match self.count(is_new, Some(error), parks).await {
            Ok(counted) => counted,
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, "a failed message could not be counted");
                Counted::default()
            }
        }
    }

    /// Counts a failed attempt, and parks the message when it was the last.
    pub(super) async fn count(
        &self,
        is_new: bool,
        error: Option<&str>,
        parks: Parks,
    ) -> Result<Counted, Error> {
        let error = error.map(shortened);
        let limit = Instant::now() + LONGEST_COUNT;
        let mut retries = 0..self.idem.settings().claim_retries;
        loop {
            let counted = timeout_at(
                limit,
                self.count_once(is_new, error.as_deref(), parks, limit),
            )
            .await;
            match counted.unwrap_or(Err(Error::TimedOut)) {
                Err(Error::TryAgain(_)) if retries.next().is_some() => {}
                // It must not run again, so a lost connection is not the end of it.
                Err(Error::Unavailable(_)) if parks == Parks::Now && Instant::now() < limit => {
                    sleep(PAUSE).await;
                }
                counted => return counted,
            }
        }
    }

    async fn count_once(
        &self,
        is_new: bool,
        error: Option<&str>,
        parks: Parks,
        limit: Instant,
    ) -> Result<Counted, Error> {
        let attempt = Uuid::new_v4();
        let policy = self.policy.of_attempt();
        let opening = Opening::new(None, attempt, &policy);
        let (mut session, _) = Session::open(&self.idem, &opening, limit).await?;
        let attempts = self.count_in(&mut session, is_new, error).await?;
        let is_parked = parks == Parks::Now || attempts >= self.policy.max_attempts;
        if is_parked {
            let park = DB::park(session.conn(), &self.name).await;
            park.map_err(claim_error::<DB>)?;
        }
        session.leave_guard(Effects::Keep).await?;
        if is_parked && !self.is_kept_parked(&mut session, attempt).await? {
            // Another worker has handled it meanwhile.
            session.roll_back(END).await;
            return Ok(Counted::default());
        }
        session.commit().await.map_err(claim_error::<DB>)?;
        if is_parked {
            tracing::warn!(
                operation = self.name.operation.as_str(),
                message = self.name.key.digest(),
                attempts,
                "a message lies among the dead letters now"
            );
        }
        Ok(Counted {
            attempts,
            is_parked,
        })
    }

    /// Leaves the record that tells later deliveries; `false` if one of a handled message is there.
    async fn is_kept_parked(
        &self,
        session: &mut Session<DB>,
        attempt: Uuid,
    ) -> Result<bool, Error> {
        let record = NewRecord {
            name: &self.name,
            attempt,
            fingerprint: &self.fingerprint,
            completion: &Completion::parked(),
            ttl: self.policy.retention,
        };
        if session.insert(&record).await? {
            return Ok(true);
        }
        let found = DB::find(session.conn(), &self.name).await;
        let found = found.map_err(claim_error::<DB>)?;
        Ok(found.is_some_and(|record| record.completion.is_parked()))
    }

    /// Parks a message with the id of another one, beside that one.
    pub(super) async fn park_reused(&self) -> bool {
        let (_, digest) = self.fingerprint.stored();
        let id = [self.name.key.as_str().as_bytes(), digest].concat();
        let Some(key) = IdempotencyKey::of_message(&id, false) else {
            return false;
        };
        let mut beside = self.clone();
        beside.name.key = key;
        let counting = tokio::spawn(async move {
            let _running = beside.running();
            beside.count_or_log(true, REUSED, Parks::Now).await
        });
        counting.await.unwrap_or_default().is_parked
    }
}

const REUSED: &str = "the message has the id of another one, and other content";

/// How long counting may take, waiting included.
const LONGEST_COUNT: Duration = Duration::from_secs(10);
/// Between two tries at a database that is not there.
const PAUSE: Duration = Duration::from_millis(50);

/// The longest text of an error that is kept, in bytes.
const LONGEST_TEXT: usize = 4096;

fn shortened(text: &str) -> String {
    without_nul(&text[..text.floor_char_boundary(LONGEST_TEXT)])
}

/// Postgres stores no NUL in a text.
fn without_nul(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

impl<DB: Backend> Clone for Failing<DB> {
    fn clone(&self) -> Self {
        Self {
            idem: self.idem.clone(),
            name: self.name.clone(),
            fingerprint: self.fingerprint.clone(),
            policy: self.policy,
            message_id: self.message_id.clone(),
            reference: self.reference.clone(),
            payload: self.payload.clone(),
        }
    }
}

/// A message is the consumer's business alone.
impl<DB: Backend> fmt::Debug for Failing<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Failing").field(&self.name).finish()
    }
}
