//! The records for operators: listed, counted, and invalidated by name.

use std::fmt;
use std::time::{Duration, SystemTime};

use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use crate::in_flight::Arrival;
use crate::session::{END, Effects, Session, claim_error};
use crate::store::{Backend, Opening, StoredCount, StoredView};
use crate::{
    Completion, Error, Fingerprint, Idempotency, IdempotencyKey, Operation, Policy, RecordName,
    Scope, ticket,
};

/// Which records are asked for; all, unless it is narrowed.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct RecordFilter {
    /// Those of one scope alone.
    pub scope: Option<Scope>,
    /// Those of one operation alone, as `POST /payments` or `inbox:billing`.
    pub operation: Option<String>,
    /// Those with this key alone.
    pub key: Option<IdempotencyKey>,
}

impl RecordFilter {
    /// Those of one scope alone.
    #[must_use]
    pub fn scope(mut self, scope: Scope) -> Self {
        self.scope = Some(scope);
        self
    }

    /// Those of one operation alone.
    #[must_use]
    pub fn operation(mut self, operation: impl Into<String>) -> Self {
        self.operation = Some(operation.into());
        self
    }

    /// Those with this key alone.
    #[must_use]
    pub fn key(mut self, key: IdempotencyKey) -> Self {
        self.key = Some(key);
        self
    }

    pub(crate) fn parts(&self) -> [Option<&str>; 3] {
        [
            self.scope.as_ref().map(Scope::as_str),
            self.operation.as_deref(),
            self.key.as_ref().map(IdempotencyKey::as_str),
        ]
    }
}

/// A record without its answer, which is its client's alone.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RecordView {
    /// What it is found by.
    pub name: RecordName,
    /// What it is in.
    pub state: RecordState,
    /// The status of the stored answer.
    pub status: u16,
    /// What the operation has created, if it has said so.
    pub reference: Option<String>,
    /// When it was stored, by the database's clock.
    pub stored_at: SystemTime,
    /// Until when it is replayed.
    pub expires_at: SystemTime,
    /// How long the stored headers and body are, in bytes.
    pub bytes: u64,
}

/// What a record is in. An attempt that runs leaves none yet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum RecordState {
    /// A retry is answered from it.
    Completed,
    /// Its ttl is over, and it waits to be swept: a retry runs.
    Expired,
    /// A handler ended its transaction: which of its writes took effect must be looked up.
    Broken,
    /// A message that lies among the dead letters.
    Parked,
}

impl RecordState {
    fn of(operation: &str, status: u16, expired: bool) -> Self {
        match (expired, status) {
            (true, _) => Self::Expired,
            (false, 500) => Self::Broken,
            (false, Completion::PARKED) if Operation::is_consumers(operation) => Self::Parked,
            _ => Self::Completed,
        }
    }

    /// The name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Expired => "expired",
            Self::Broken => "broken",
            Self::Parked => "parked",
        }
    }
}

impl fmt::Display for RecordState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How many records there are of one operation, state and age.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct RecordCount {
    /// Whose they are.
    pub operation: String,
    /// What they are in.
    pub state: RecordState,
    /// They were stored within this time, and not within a shorter one; `None`: more than a day ago.
    pub within: Option<Duration>,
    /// How many there are.
    pub records: u64,
}

/// What has become of an invalidation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "an operator must know each")]
pub enum Invalidated {
    /// The record is gone: the next attempt with its key runs.
    Gone,
    /// There was none.
    Absent,
    /// An attempt with its key runs; nothing was changed. Ask again when it has ended.
    InFlight,
}

impl<DB: Backend> Idempotency<DB> {
    /// Lists records in the order of their names: at most `limit`, those behind `after`.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`].
    ///
    /// # Cancellation
    ///
    /// Safe to drop.
    pub async fn records(
        &self,
        filter: &RecordFilter,
        after: Option<&RecordView>,
        limit: u32,
    ) -> Result<Vec<RecordView>, Error> {
        let after = after.map_or(["", "", ""], |view| {
            let name = &view.name;
            [
                name.scope.as_str(),
                name.operation.as_str(),
                name.key.as_str(),
            ]
        });
        let mut conn = self.acquire(Instant::now() + LIMIT).await?;
        let found = DB::records(&mut conn, filter, after, limit.into()).await;
        let found = found.map_err(claim_error::<DB>)?;
        Ok(found.into_iter().map(RecordView::of).collect())
    }

    /// Counts the records by operation, state and age. It reads all of them, so ask seldom.
    ///
    /// Attempts that run leave no record; [`running`](Self::running) says how many there are on
    /// this node.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`].
    ///
    /// # Cancellation
    ///
    /// Safe to drop.
    pub async fn count_records(&self) -> Result<Vec<RecordCount>, Error> {
        let mut conn = self.acquire(Instant::now() + LIMIT).await?;
        let counted = DB::count(&mut conn).await.map_err(claim_error::<DB>)?;
        Ok(merge(counted))
    }

    /// Forgets a record, so that the next attempt with its key runs: a second effect, unless the
    /// first has been undone. `by` says in the log who wants it so, and why.
    ///
    /// It holds the attempts' own lock meanwhile, so it never comes between an attempt and its
    /// record.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`], [`Error::ReadOnly`], [`Error::TryAgain`] and [`Error::TimedOut`]:
    /// nothing has changed. [`Error::OutcomeUnknown`]: ask for the record.
    ///
    /// # Cancellation
    ///
    /// Safe to drop; it may take effect all the same.
    pub async fn invalidate(&self, name: &RecordName, by: &str) -> Result<Invalidated, Error> {
        let (idem, name, by) = (self.clone(), name.clone(), by.to_owned());
        let running = tokio::spawn(async move {
            let _running = idem.running_token();
            let until = Instant::now() + LIMIT;
            let invalidated = timeout_at(until, idem.invalidate_until(&name, until)).await;
            let invalidated = invalidated.unwrap_or(Err(Error::TimedOut))?;
            tracing::warn!(
                target: "idem::audit",
                scope = name.scope.as_str(),
                operation = name.operation.as_str(),
                key = name.key.digest(),
                by,
                ?invalidated,
                "a record was to be invalidated"
            );
            Ok(invalidated)
        });
        running.await.unwrap_or(Err(Error::TryAgain(None)))
    }

    async fn invalidate_until(
        &self,
        name: &RecordName,
        until: Instant,
    ) -> Result<Invalidated, Error> {
        let arrived = self.in_flight().arrive(name, &Fingerprint::none(), false);
        let Arrival::First(_place) = arrived else {
            return Ok(Invalidated::InFlight);
        };
        let (id, policy) = (Uuid::new_v4(), Policy::default());
        let opening = Opening::new(Some(name), id, &policy);
        let (mut session, probe) = Session::open(self, &opening, until).await?;
        if !probe.free || probe.found.is_none() {
            session.leave_untouched(END).await;
            return Ok(match probe.free {
                true => Invalidated::Absent,
                false => Invalidated::InFlight,
            });
        }
        session.leave_guard(Effects::Keep).await?;
        let deleted = DB::invalidate(session.conn(), name).await;
        if !deleted.map_err(claim_error::<DB>)? {
            session.roll_back(END).await;
            return Ok(Invalidated::Absent);
        }
        ticket::commit(self, session, None, id, until).await?;
        Ok(Invalidated::Gone)
    }
}

impl RecordView {
    fn of(stored: StoredView) -> Self {
        let status = u16::try_from(stored.status).unwrap_or(0);
        Self {
            state: RecordState::of(&stored.operation, status, stored.expired),
            name: RecordName {
                scope: Scope::stored(stored.scope),
                operation: Operation::stored(stored.operation),
                key: IdempotencyKey::stored(stored.key),
            },
            status,
            reference: stored.reference,
            stored_at: at(stored.created_at),
            expires_at: at(stored.expires_at),
            bytes: stored.bytes.unsigned_abs(),
        }
    }
}

/// Several statuses are one state.
fn merge(counted: Vec<StoredCount>) -> Vec<RecordCount> {
    let mut merged: Vec<RecordCount> = Vec::new();
    for one in counted {
        let status = u16::try_from(one.status).unwrap_or(0);
        let state = RecordState::of(&one.operation, status, one.expired);
        let within = match one.age {
            0 => Some(Duration::from_secs(3_600)),
            1 => Some(Duration::from_secs(24 * 3_600)),
            _ => None,
        };
        let records = one.records.unsigned_abs();
        let same = merged.iter_mut().find(|count| {
            (&count.operation, count.state, count.within) == (&one.operation, state, within)
        });
        match same {
            Some(count) => count.records += records,
            None => merged.push(RecordCount {
                operation: one.operation,
                state,
                within,
                records,
            }),
        }
    }
    merged
}

fn at(milliseconds: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(milliseconds.unsigned_abs())
}

/// How long an operator's statement may take, waiting included.
const LIMIT: Duration = Duration::from_secs(10);
