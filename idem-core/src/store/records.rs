//! What the store takes and returns when an attempt begins, stores its record and ends.
//!
//! The types here have no database in them. A value that a statement takes as a parameter is converted
//! here once, with saturation: a ttl of ten years in microseconds fits 64 bits, and a status that does
//! not fit its column cannot wrap to another.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use crate::model::cipher::EncryptedContent;
use crate::model::fingerprint::Fingerprint;
use crate::model::policy::{Isolation, LateRetries, Policy};
use crate::model::record::{Completion, RecordName};

/// The options with which `Backend::open` begins an attempt.
#[derive(Debug)]
pub struct Opening<'a> {
    /// The record to claim; `None` for an attempt without a key.
    pub(crate) name: Option<&'a RecordName>,
    /// The attempt's id, which names the guard savepoint.
    pub(crate) attempt: Uuid,
    /// The transaction is needed only if the attempt may run. A database that can probe before it
    /// begins one then saves it for replays and duplicates.
    #[cfg_attr(
        not(any(feature = "postgres", feature = "mysql")),
        expect(dead_code, reason = "SQLite begins before it probes")
    )]
    pub(crate) if_it_may_run: bool,
    /// The isolation of the transaction.
    #[cfg_attr(
        not(any(feature = "postgres", feature = "mysql")),
        expect(dead_code, reason = "SQLite knows one isolation")
    )]
    pub(crate) isolation: Isolation,
    /// The handler may commit the transaction by itself. Only SQLite can prevent it.
    #[cfg_attr(
        not(feature = "sqlite"),
        expect(dead_code, reason = "the others cannot prevent it")
    )]
    pub(crate) may_commit: bool,
    /// The longest time for a statement, and for an idle moment between two.
    #[cfg_attr(
        not(any(feature = "postgres", feature = "mysql")),
        expect(dead_code, reason = "SQLite needs no such limit")
    )]
    pub(crate) timeout: Duration,
    /// A savepoint is needed, to which the writes can be rolled back while the transaction goes on.
    #[cfg_attr(
        not(any(feature = "postgres", feature = "sqlite")),
        expect(dead_code, reason = "MySQL sets one always")
    )]
    pub(crate) may_undo: bool,
    /// The statements may be sent in the messages of BEGIN and COMMIT, and the server's log may say more.
    #[cfg_attr(
        not(feature = "postgres"),
        expect(dead_code, reason = "the others have no such form")
    )]
    pub(crate) may_merge: bool,
    /// A key whose record has expired may be refused: its tombstone is looked up.
    pub(crate) refuses_late: bool,
}

impl<'a> Opening<'a> {
    pub(crate) fn new(name: Option<&'a RecordName>, attempt: Uuid, policy: &Policy) -> Self {
        Self {
            name,
            attempt,
            if_it_may_run: false,
            may_commit: false,
            isolation: policy.isolation,
            timeout: policy.timeout,
            may_undo: policy.may_undo,
            may_merge: false,
            refuses_late: name.is_some() && policy.late_retries != LateRetries::Run,
        }
    }
}

/// What the database said when an attempt was opened.
///
/// It is a hint. `is_free` can be wrong in both directions: two names may share a lock, and the lock of
/// one server does not reach another. The insert decides.
#[derive(Debug)]
pub struct Probe {
    /// No other attempt with this name runs, as far as the database can tell.
    pub(crate) is_free: bool,
    /// The database takes writes: it is no replica, and the session is not read-only.
    pub(crate) is_writable: bool,
    /// The stored record, live or expired.
    pub(crate) found: Option<StoredRecord>,
    /// The message has failed before, and its attempts are counted.
    pub(crate) has_failed: bool,
    /// The key's record has expired, and its retries are refused. It is asked for only where
    /// [`Opening::refuses_late`] is set, and means nothing beside a live record.
    pub(crate) is_refused: bool,
}

impl Probe {
    /// What a database said that takes writes and was asked for the record alone.
    pub(crate) fn of(found: Option<StoredRecord>) -> Self {
        Self {
            is_free: true,
            is_writable: true,
            found,
            has_failed: false,
            is_refused: false,
        }
    }
}

#[cfg(any(feature = "postgres", feature = "mysql"))]
impl Probe {
    /// What a database said that runs another attempt of the name.
    #[cfg(feature = "postgres")]
    pub(super) fn running() -> Self {
        Self {
            is_free: false,
            ..Self::of(None)
        }
    }

    /// Whether the attempt may run: nobody else does, no live record exists, and the key is not refused.
    ///
    /// An expired record does not count: its key is new, and the insert replaces the row.
    pub(super) fn may_run(&self) -> bool {
        let has_record = self.found.as_ref().is_some_and(|record| !record.expired);
        self.is_free && self.is_writable && !has_record && !self.is_refused
    }
}

/// A record to insert.
#[derive(Debug)]
pub struct NewRecord<'a> {
    pub(crate) name: &'a RecordName,
    pub(crate) attempt: Uuid,
    pub(crate) fingerprint: &'a Fingerprint,
    pub(crate) completion: &'a Completion,
    pub(crate) ttl: Duration,
    /// How long after its ttl the key is refused; `None` leaves no tombstone.
    pub(crate) refusal: Option<Duration>,
    /// What is stored in place of the fingerprint and the response.
    pub(crate) encrypted: Option<EncryptedContent>,
}

impl NewRecord<'_> {
    /// The status as its column takes it.
    pub(super) fn status(&self) -> i16 {
        status_column(self.completion.status)
    }

    pub(super) fn format(&self) -> i16 {
        match self.encrypted {
            None => FORMAT,
            Some(_) => ENCRYPTED_FORMAT,
        }
    }

    /// The version and the bytes of the fingerprint.
    pub(super) fn fingerprint(&self) -> (i16, &[u8]) {
        match self.encrypted {
            None => self.fingerprint.stored(),
            Some(_) => (HIDDEN, &[]),
        }
    }

    pub(super) fn headers(&self) -> &[u8] {
        match &self.encrypted {
            None => &self.completion.headers,
            Some(encrypted) => &encrypted.key_id,
        }
    }

    pub(super) fn body(&self) -> &[u8] {
        match &self.encrypted {
            None => &self.completion.body,
            Some(encrypted) => &encrypted.bytes,
        }
    }

    pub(super) fn reference(&self) -> Option<&str> {
        self.completion.reference.as_deref()
    }
}

/// The answer of a database that was asked to store a record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stored {
    /// It is stored, or there was none to store.
    Yes,
    /// As `Yes`, and the message of the COMMIT proves that the transaction is Idem's own.
    Unproved,
    /// A live record exists, and nothing is written.
    Exists {
        /// The transaction was proved to be Idem's own before, and its guard is gone by that.
        is_proved: bool,
    },
    /// The handler has ended the transaction that Idem began.
    GuardLost,
}

/// The error of a database that was asked to store a record.
#[derive(Debug)]
pub struct StoreError {
    pub(crate) error: sqlx::Error,
    /// The transaction was proved to be Idem's own before the error.
    pub(crate) is_proved: bool,
}

/// A record as it was read from its row.
#[derive(Clone, Debug)]
pub struct StoredRecord {
    /// The format of the record: claims read [`FORMAT`] alone, which decryption makes of
    /// [`ENCRYPTED_FORMAT`].
    pub(crate) format: i16,
    pub(crate) fingerprint_version: i16,
    pub(crate) fingerprint: Vec<u8>,
    pub(crate) completion: Arc<Completion>,
    /// The ttl is over, by the database's clock.
    pub(crate) expired: bool,
    /// The time since it was stored, by the database's clock.
    ///
    /// A clock that was set back gives zero, not a negative age.
    pub(crate) age: Duration,
}

impl StoredRecord {
    /// The record of an attempt that has committed just now.
    pub(crate) fn new(fingerprint: &Fingerprint, completion: Completion) -> Self {
        let (fingerprint_version, digest) = fingerprint.stored();
        Self {
            format: FORMAT,
            fingerprint_version,
            fingerprint: digest.to_vec(),
            completion: Arc::new(completion),
            expired: false,
            age: Duration::ZERO,
        }
    }
}

/// What became of an attempt whose COMMIT was not acknowledged.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CommitOutcome {
    /// Its record is stored.
    Committed,
    /// Its transaction has ended without a record.
    RolledBack,
    /// Its transaction may still be running.
    Running,
}

/// The format in which this build writes records, and the only one that a claim reads.
///
/// A record of another format is [`Error::Unreadable`](crate::Error::Unreadable): it proves that the
/// work was done, so the handler must not run, but this build cannot replay it. A new format needs two
/// releases, one that reads it and a later one that writes it.
pub(crate) const FORMAT: i16 = 1;

/// The format of an encrypted record: [`decrypt`](super::encryption::decrypt) makes [`FORMAT`] of it.
pub(crate) const ENCRYPTED_FORMAT: i16 = 2;

/// The version of a fingerprint that is encrypted. No build compares it.
const HIDDEN: i16 = -1;

/// A status as its column takes it.
pub(super) fn status_column(status: u16) -> i16 {
    i16::try_from(status).unwrap_or(i16::MAX)
}

/// A duration in whole milliseconds, as statements take it.
pub(super) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// A duration in whole microseconds, as statements take it.
#[cfg(any(feature = "postgres", feature = "mysql"))]
pub(super) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
