//! The steps of an attempt that is enforced: claim, run, complete, commit.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::model::fingerprint::Comparison;
use crate::store::{FORMAT, StoredRecord};
use crate::{Completion, Error, Fingerprint, Policy, RecordName, metrics};

pub(crate) mod claim;
pub(crate) mod claimed;
pub(crate) mod commit;
pub(crate) mod complete;
pub(crate) mod decision;
pub(crate) mod fresh;
pub(crate) mod lock_keeper;
pub(crate) mod session;
pub(crate) mod tx;
pub(crate) mod without_tx;

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

impl<F> Claim<F> {
    /// Compares a stored record with the attempt's request.
    pub(crate) fn of_record(
        record: &StoredRecord,
        fingerprint: &Fingerprint,
    ) -> Result<Self, Error> {
        if record.format != FORMAT {
            return Err(Error::Unreadable);
        }
        match fingerprint.compare(record.fingerprint_version, &record.fingerprint) {
            Comparison::Same => {}
            Comparison::Different => return Ok(Self::Mismatch),
            Comparison::NotComparable => tracing::warn!(
                "a record is replayed that cannot be compared with the request: the operation has \
                 changed what it compares since"
            ),
            Comparison::Unknown => return Err(Error::Unreadable),
        }
        Ok(Self::Replay(Arc::clone(&record.completion)))
    }

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

/// How an attempt ended that was to be completed.
#[derive(Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a caller must treat each of the three"
)]
pub enum Completed {
    /// The record, the answer and the writes are committed.
    Committed,
    /// Another node's attempt was faster; this one's writes are undone and that one's answer
    /// counts.
    Replay(Arc<Completion>),
    /// Another request used the key meanwhile; this one's writes are undone.
    Mismatch,
}

/// Says how long after the first attempt its retry came.
pub(crate) fn came_again(name: &RecordName, age: Duration) {
    metrics::record(&metrics::RETRY_AGE, &[name.operation.as_str()], age);
    let seconds = age.as_secs_f64();
    tracing::Span::current().record("age", seconds);
}
