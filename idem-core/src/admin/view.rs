//! The parts of a record that operators see.
//!
//! The state of a record is not a column. It follows from its status and its expiry: 500 is that of
//! a terminal record, 410 under a consumer's operation for a dead letter. Statuses of responses
//! that a handler may store never include 500.

use std::fmt;
use std::time::{Duration, SystemTime};

use crate::store::{StoredRecordCount, StoredRecordView};
use crate::{Completion, IdempotencyKey, Operation, RecordName, Scope};

/// A record as operators see it: without its response, which belongs to the client alone.
///
/// [`Idempotency::records`](crate::Idempotency::records) lists them.
///
/// # Examples
///
/// ```no_run
/// # async fn find(idem: idem_core::Idempotency<sqlx::Sqlite>) -> Result<(), idem_core::Error> {
/// use idem_core::RecordFilter;
///
/// let payments = RecordFilter::default().operation("POST /payments");
/// for record in idem.records(&payments, None, 20).await? {
///     let created = record.reference.as_deref().unwrap_or("-");
///     println!("{} {} {created}", record.name.key.digest(), record.state);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RecordView {
    /// The name of the record.
    pub name: RecordName,
    /// The state of the record.
    pub state: RecordState,
    /// The status of the stored response.
    pub status: u16,
    /// What the operation has created, if it has named that:
    /// see [`Tx::reference`](crate::Tx::reference).
    pub reference: Option<String>,
    /// When it was stored, by the database's clock.
    pub stored_at: SystemTime,
    /// Until when it can be replayed, by the database's clock.
    pub expires_at: SystemTime,
    /// Until when a late retry is refused, by the database's clock: see
    /// [`LateRetries`](crate::LateRetries). `None`: it runs.
    pub refused_until: Option<SystemTime>,
    /// The length of the stored headers and body, in bytes.
    pub bytes: u64,
}

/// The state of a record. A running attempt has no record yet.
///
/// # Examples
///
/// ```
/// use idem_core::RecordState;
///
/// fn needs_an_operator(state: RecordState) -> bool {
///     matches!(state, RecordState::Broken | RecordState::Parked)
/// }
/// assert!(!needs_an_operator(RecordState::Completed));
/// assert_eq!(RecordState::Broken.to_string(), "broken");
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum RecordState {
    /// A retry gets its response.
    Completed,
    /// Its ttl has passed, and the next sweep deletes it: a retry runs, or is
    /// [refused](RecordView::refused_until).
    Expired,
    /// Its status is 500: a handler ended its transaction itself, or worked without one and its
    /// response could not be stored. Look up what took effect.
    Broken,
    /// The record of a message that is a dead letter.
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

    /// The name of the state.
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

/// The number of records of one operation, state and age.
///
/// [`Idempotency::count_records`](crate::Idempotency::count_records) returns one for each that is
/// not zero.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct RecordCount {
    /// The operation, as its records name it.
    pub operation: String,
    /// The state of the records.
    pub state: RecordState,
    /// The age of the records: less than this time, and not less than the next shorter one. One
    /// hour, one day, or `None` for more than a day.
    pub within: Option<Duration>,
    /// The number of the records.
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
            refused_until: stored.refused_until.map(at),
            bytes: stored.bytes.unsigned_abs(),
        }
    }
}

/// Adds up the counts of several statuses that are one state.
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
