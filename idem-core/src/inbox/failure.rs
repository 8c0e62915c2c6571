//! Counts failed attempts, and parks the message after the last one, in a transaction of its own.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};
use uuid::Uuid;

use super::context::{MessageContext, ascii, shortened};
use crate::attempt::commit::{CommittedRecord, commit, look_up};
use crate::attempt::session::{END_LIMIT, Effects, Session};
use crate::detach::DetachOnDrop;
use crate::error::claim_error;
use crate::metrics::LabelValue;
use crate::store::{Backend, NewRecord, Opening};
use crate::{Completion, Error, IdempotencyKey, metrics};

/// The number of failed attempts at a message.
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
    /// Counts an attempt before it begins, in its transaction.
    pub(super) async fn count_first(&self, session: &mut Session<DB>) -> Result<u32, Error> {
        let attempt = self.attempt(true, None);
        let counted = DB::count_attempt(session.conn(), &attempt).await;
        counted.map(to_count).map_err(claim_error::<DB>)
    }

    /// Parks a message with the id of another one, under a name of its own.
    pub(super) async fn park_reused(&self) -> bool {
        let (_, digest) = self.fingerprint.stored();
        let id = [self.name.key.as_str().as_bytes(), digest].concat();
        let Some(key) = IdempotencyKey::of_message(&id, false) else {
            return false;
        };
        let mut beside = self.clone();
        beside.name.key = key;
        let counting = DetachOnDrop::new(async move {
            let _running = beside.running();
            beside.count_or_log(true, REUSED, ParkWhen::Now).await
        });
        counting.await.unwrap_or_default().is_parked
    }

    /// As [`count`](Self::count). If counting fails, the message gets one attempt more.
    pub(super) async fn count_or_log(&self, is_new: bool, error: &str, parks: ParkWhen) -> Counted {
        match self.count(is_new, Some(error), parks).await {
            Ok(counted) => counted,
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, "cannot count a failed message");
                Counted::default()
            }
        }
    }

    /// Counts a failed attempt, and parks the message if it was the last.
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
                // The message must not run again, so a lost connection does not end the tries.
                Err(Error::Unavailable(_)) if parks == ParkWhen::Now && Instant::now() < limit => {
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
        let connections = &self.node.connections;
        let mut committed = commit(connections, session, record, limit).await;
        // Writing it once more could count the attempt twice.
        if let (Err(Error::OutcomeUnknown), Some(record)) = (&committed, record) {
            committed = look_up(connections, record, limit).await;
        }
        committed?;
        if counted.is_parked {
            let consumer = LabelValue::Text(name.operation.consumer());
            metrics::count(&metrics::DEAD_LETTERS, &[consumer], 1);
            tracing::warn!(
                operation = name.operation.as_str(),
                key = name.key.digest(),
                attempts = counted.attempts,
                "message parked as a dead letter"
            );
        }
        Ok(counted)
    }

    /// Writes the count, and parks the message if it was the last attempt. `None`: it was handled.
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
        session.pass_guard();
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

    /// Opens a transaction and counts the attempt in it.
    ///
    /// If the database refuses a part of the message, such as a payload beyond
    /// `max_allowed_packet` or a text outside of its encoding, the attempt is counted without it.
    async fn open_counted(
        &self,
        attempt: Uuid,
        is_new: bool,
        error: Option<&str>,
        limit: Instant,
    ) -> Result<(Session<DB>, u32), Error> {
        let policy = self.policy.of_attempt();
        // What the database refuses of the message is undone.
        let opening = Opening {
            may_undo: true,
            ..Opening::new(None, attempt, &policy)
        };
        let (mut session, _) = Session::open(&self.node.connections, &opening, limit).await?;
        let mut all = self.attempt(is_new, error);
        all.reference = self.reference.as_deref();
        all.payload = self.payload.as_deref();
        let refused = match DB::count_attempt(session.conn(), &all).await {
            Ok(attempts) => return Ok((session, to_count(attempts))),
            Err(error) => claim_error::<DB>(error),
        };
        session.roll_back(END_LIMIT).await;
        if matches!(refused, Error::TryAgain(_)) {
            return Err(refused);
        }
        log_refused_payload(&refused);
        let (mut session, _) = Session::open(&self.node.connections, &opening, limit).await?;
        let (error, reference) = (error.map(ascii), self.reference.as_deref().map(ascii));
        let mut least = self.attempt(is_new, error.as_deref());
        least.reference = reference.as_deref();
        let counted = DB::count_attempt(session.conn(), &least).await;
        Ok((session, to_count(counted.map_err(claim_error::<DB>)?)))
    }

    /// Stores the record that stops later deliveries. `false`: the message was handled meanwhile.
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
            refusal: None,
            encrypted: None,
        };
        if session.store(Some(&record), Effects::Keep).await? {
            return Ok(true);
        }
        let found = DB::find(session.conn(), &self.name).await;
        let found = found.map_err(claim_error::<DB>)?;
        Ok(found.is_some_and(|record| record.completion.is_parked()))
    }
}

fn to_count(attempts: i32) -> u32 {
    u32::try_from(attempts).unwrap_or(0)
}

fn log_refused_payload(error: &Error) {
    let error: &dyn std::error::Error = error;
    tracing::warn!(
        error,
        "the database refused the payload; the dead letter omits it"
    );
}

/// How long counting may take, waiting included.
const LONGEST_COUNT: Duration = Duration::from_secs(10);
/// The pause between two tries to reach the database.
const PAUSE: Duration = Duration::from_millis(50);

const REUSED: &str = "the message id was used for other content";
