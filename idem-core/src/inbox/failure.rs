//! Counts failed attempts, and parks the message with the last, in a transaction of its own.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};
use uuid::Uuid;

use super::context::{MessageContext, ascii, shortened};
use crate::attempt::commit::{CommittedRecord, commit};
use crate::attempt::session::{END_LIMIT, Effects, Session};
use crate::error::claim_error;
use crate::store::{Backend, NewRecord, Opening};
use crate::{Completion, Error, IdempotencyKey, metrics};

/// How often a message has failed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counted {
    /// 0 if it could not be counted.
    pub(super) attempts: u32,
    pub(super) is_parked: bool,
}

/// When a failed message is parked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum ParkWhen {
    AtLimit,
    Now,
}

impl<DB: Backend> MessageContext<DB> {
    /// Counts an attempt that is about to begin, in its transaction.
    pub(super) async fn count_first(&self, session: &mut Session<DB>) -> Result<u32, Error> {
        let attempt = self.attempt(true, None);
        let counted = DB::count_attempt(session.conn(), &attempt).await;
        counted.map(whole).map_err(claim_error::<DB>)
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
            beside.count_or_log(true, REUSED, ParkWhen::Now).await
        });
        counting.await.unwrap_or_default().is_parked
    }

    /// As [`count`](Self::count). A failure that cannot be counted is tried once more than allowed.
    pub(super) async fn count_or_log(&self, is_new: bool, error: &str, parks: ParkWhen) -> Counted {
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
        parks: ParkWhen,
    ) -> Result<Counted, Error> {
        let error = error.map(shortened);
        let limit = Instant::now() + LONGEST_COUNT;
        let mut retries = 0..self.node.settings.claim_retries;
        loop {
            let counted = self.count_once(is_new, error.as_deref(), parks, limit);
            match counted.await {
                Err(Error::TryAgain(_)) if retries.next().is_some() => {}
                // It must not run again, so a lost connection is not the end of it.
                Err(Error::Unavailable(_) | Error::OutcomeUnknown)
                    if parks == ParkWhen::Now && Instant::now() < limit =>
                {
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
        parks: ParkWhen,
        limit: Instant,
    ) -> Result<Counted, Error> {
        let attempt = Uuid::new_v4();
        let written = self.write_count(attempt, is_new, error, parks, limit);
        let written = timeout_at(limit, written).await;
        let Some((session, counted)) = written.unwrap_or(Err(Error::TimedOut))? else {
            // Another worker has handled it meanwhile.
            return Ok(Counted::default());
        };
        let name = &self.name;
        let record = counted
            .is_parked
            .then_some(CommittedRecord { name, attempt });
        commit(&self.node.connections, session, record, limit).await?;
        if counted.is_parked {
            metrics::count(&metrics::DEAD_LETTERS, &[name.operation.consumer()], 1);
            tracing::warn!(
                operation = name.operation.as_str(),
                key = name.key.digest(),
                attempts = counted.attempts,
                "a message was parked among the dead letters"
            );
        }
        Ok(counted)
    }

    /// Writes the count, and parks the message where it was the last. `None`: it was handled.
    async fn write_count(
        &self,
        attempt: Uuid,
        is_new: bool,
        error: Option<&str>,
        parks: ParkWhen,
        limit: Instant,
    ) -> Result<Option<(Session<DB>, Counted)>, Error> {
        let (mut session, attempts) = self.open_counted(attempt, is_new, error, limit).await?;
        let is_parked = parks == ParkWhen::Now || attempts >= self.policy.max_attempts;
        if is_parked {
            let park = DB::park(session.conn(), &self.name).await;
            park.map_err(claim_error::<DB>)?;
        }
        session.leave_guard(Effects::Keep).await?;
        if is_parked && !self.is_kept_parked(&mut session, attempt).await? {
            session.roll_back(END_LIMIT).await;
            return Ok(None);
        }
        let counted = Counted {
            attempts,
            is_parked,
        };
        Ok(Some((session, counted)))
    }

    /// A transaction in which the attempt is counted.
    ///
    /// What a database refuses to keep of a message must not keep it from being counted, and
    /// parked: a payload beyond `max_allowed_packet`, a text that its encoding does not have.
    async fn open_counted(
        &self,
        attempt: Uuid,
        is_new: bool,
        error: Option<&str>,
        limit: Instant,
    ) -> Result<(Session<DB>, u32), Error> {
        let policy = self.policy.of_attempt();
        let opening = Opening::new(None, attempt, &policy);
        let (mut session, _) = Session::open(&self.node.connections, &opening, limit).await?;
        let mut all = self.attempt(is_new, error);
        all.reference = self.reference.as_deref();
        all.payload = self.payload.as_deref();
        let refused = match DB::count_attempt(session.conn(), &all).await {
            Ok(attempts) => return Ok((session, whole(attempts))),
            Err(error) => claim_error::<DB>(error),
        };
        session.roll_back(END_LIMIT).await;
        if matches!(refused, Error::TryAgain(_)) {
            return Err(refused);
        }
        warn_of(&refused);
        let (mut session, _) = Session::open(&self.node.connections, &opening, limit).await?;
        let (error, reference) = (error.map(ascii), self.reference.as_deref().map(ascii));
        let mut least = self.attempt(is_new, error.as_deref());
        least.reference = reference.as_deref();
        let counted = DB::count_attempt(session.conn(), &least).await;
        Ok((session, whole(counted.map_err(claim_error::<DB>)?)))
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
}

fn whole(attempts: i32) -> u32 {
    u32::try_from(attempts).unwrap_or(0)
}

fn warn_of(error: &Error) {
    let error: &dyn std::error::Error = error;
    tracing::warn!(error, "a failed message is counted without its payload");
}

/// How long counting may take, waiting included.
const LONGEST_COUNT: Duration = Duration::from_secs(10);
/// Between two tries at a database that is not there.
const PAUSE: Duration = Duration::from_millis(50);

const REUSED: &str = "the message has the id of another one, and other content";
