//! An attempt in the mode `enforce`, one file per step.
//!
//! [`claim`] takes the attempt's place on this node, and [`decision`] asks the database whether it
//! may run. If it may, a [`session`] has begun the transaction, which the handler borrows as a
//! [`Tx`](tx::Tx). [`complete`] inserts the record and [`commit`] commits it with the handler's
//! writes; a COMMIT without an acknowledgement is looked up. [`fresh`] and [`without_tx`] are the
//! claims in a front end's hands: of a handler with a transaction, and of one without. Dropping an
//! attempt, at any await before its COMMIT, closes its connection and frees the key.
//!
//! # Order, and why
//!
//! 1. The place on this node comes before the database. A duplicate on the same node then costs no
//!    connection, and one slow handler cannot fill the pool with its own retries.
//! 2. The database is asked inside of the attempt's transaction, or before it on MySQL. If the
//!    attempt may run, nothing has to be repeated: lock, transaction and guard are there.
//! 3. The handler runs without any lock of this process.
//! 4. The guard is released before the record is inserted. The other order would insert into
//!    whatever transaction the handler has left open.
//! 5. The record is inserted last. A row that is inserted first would be locked while the handler
//!    runs, so duplicates would wait for it with a connection each.
//! 6. The waiters on this node are told after COMMIT, never before: what they are told may be sent
//!    to a client.
//!
//! # What a drop leaves
//!
//! | dropped while | the database | the key |
//! | --- | --- | --- |
//! | it waits for an earlier attempt on this node | was not asked | as before |
//! | it claims | the connection is closed, which rolls back | free |
//! | the handler runs | the same; a statement may run on for a while | free once the server notices |
//! | it commits | unknown | the next attempt finds out |

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
pub(crate) mod downstream;
pub(crate) mod fresh;
pub(crate) mod lock_keeper;
pub(crate) mod session;
mod stop;
pub(crate) mod tx;
pub(crate) mod without_tx;

/// One request or delivery with a key.
///
/// Only a front end such as `idem-axum` makes one.
///
/// # Examples
///
/// ```
/// use idem_core::{Attempt, Fingerprint, FingerprintBy, FingerprintInput};
/// use idem_core::{Operation, Policy, RecordName, Scope};
/// use tokio::time::Instant;
///
/// let policy = Policy::default();
/// let attempt = Attempt {
///     name: RecordName {
///         scope: Scope::new("acme")?,
///         operation: Operation::new("POST /payments")?,
///         key: "8e03978e-40d5".parse()?,
///     },
///     fingerprint: Fingerprint::of(
///         &FingerprintInput::new("POST", "/payments", b"{}"),
///         FingerprintBy::Body,
///     ),
///     policy,
///     deadline: Instant::now() + policy.timeout,
/// };
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The name of its record.
    pub name: RecordName,
    /// The digest of what must not change between retries.
    pub fingerprint: Fingerprint,
    /// The terms of its operation.
    pub policy: Policy,
    /// The end of its time: [`Policy::timeout`] after its whole request has arrived.
    pub deadline: Instant,
}

/// The result of claiming a record: what an attempt may do.
///
/// A duplicate is an outcome, not an error: a caller must treat each of the five.
///
/// # Examples
///
/// ```
/// use idem_core::Claim;
///
/// fn status<F>(claim: &Claim<F>) -> u16 {
///     match claim {
///         Claim::Fresh(_) => 201, // run the operation, then complete the claim
///         Claim::Replay(completion) => completion.status,
///         Claim::InFlight => 409,
///         Claim::Mismatch | Claim::Expired => 422,
///     }
/// }
/// assert_eq!(status(&Claim::<()>::InFlight), 409);
/// ```
#[derive(Debug)]
#[must_use = "dropping a fresh claim rolls it back"]
#[expect(
    clippy::exhaustive_enums,
    reason = "a caller must treat each of the five"
)]
pub enum Claim<F> {
    /// It is the first: run the operation, then complete or release the claim.
    Fresh(F),
    /// An earlier attempt has completed: respond with this completion.
    Replay(Arc<Completion>),
    /// Another attempt runs right now.
    InFlight,
    /// The key was used for another request.
    Mismatch,
    /// The key was used, and its record has expired: the operation
    /// [refuses late retries](crate::LateRetries).
    Expired,
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
                "replaying a record without a comparison: the operation has changed what it \
                 compares"
            ),
            Comparison::Unknown => return Err(Error::Unreadable),
        }
        Ok(Self::Replay(Arc::clone(&record.completion)))
    }

    /// Converts the value of a fresh claim.
    pub fn map<G>(self, map: impl FnOnce(F) -> G) -> Claim<G> {
        match self {
            Self::Fresh(fresh) => Claim::Fresh(map(fresh)),
            Self::Replay(completion) => Claim::Replay(completion),
            Self::InFlight => Claim::InFlight,
            Self::Mismatch => Claim::Mismatch,
            Self::Expired => Claim::Expired,
        }
    }
}

/// The end of an attempt whose operation succeeded.
#[derive(Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a caller must treat each of the three"
)]
pub enum Completed {
    /// The record and the operation's writes are committed.
    Committed,
    /// An attempt on another node was faster. This attempt's writes are rolled back: respond with
    /// the other one's completion.
    Replay(Arc<Completion>),
    /// Another request used the key meanwhile. This attempt's writes are rolled back.
    Mismatch,
}

/// Reports how long after the first attempt this retry came.
pub(crate) fn report_retry_age(name: &RecordName, age: Duration) {
    metrics::record(&metrics::RETRY_AGE, &[(&name.operation).into()], age);
    let seconds = age.as_secs_f64();
    tracing::Span::current().record("age", seconds);
}
