//! What operators see of a record.

use std::fmt;
use std::time::{Duration, SystemTime};

use crate::store::{StoredRecordCount, StoredRecordView};
use crate::{Completion, IdempotencyKey, Operation, RecordName, Scope};

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

impl RecordView {
    pub(super) fn of(stored: StoredRecordView) -> Self {
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
pub(super) fn merge(counted: Vec<StoredRecordCount>) -> Vec<RecordCount> {
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
