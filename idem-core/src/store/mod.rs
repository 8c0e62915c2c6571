//! What Idem asks of a database. All SQL is in the files beside this one, one per database.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::{Database, Pool};
use uuid::Uuid;

use crate::{Completion, Fingerprint, Isolation, Policy, RecordName};

mod admin;
mod batch;
mod dead_letters;
mod maintenance;
#[cfg(feature = "mysql")]
mod mysql;
#[cfg(feature = "postgres")]
mod postgres;
mod rollout;
#[cfg(feature = "sqlite")]
mod sqlite;

pub(crate) use admin::{Records, StoredCount, StoredView};
pub(crate) use batch::{Batches, LEAVE, SET, Seen};
pub(crate) use dead_letters::{Letters, NewAttempt, StoredLetter};
pub(crate) use maintenance::Upkeep;
pub(crate) use rollout::Rollouts;

mod sealed {
    pub trait Sealed {}
}

/// A database that Idem keeps its records in: `Postgres`, `MySql` (MariaDB too) or `Sqlite`, behind their
/// features.
///
/// Sealed: the functions are not part of the public API.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a database of Idem, or its feature is off",
    label = "expected `sqlx::Postgres`, `sqlx::MySql` or `sqlx::Sqlite`",
    note = "turn the database on with the feature `postgres`, `mysql` or `sqlite` of `idem-axum`"
)]
pub trait Backend:
    Upkeep + Letters + Batches + Records + Rollouts + Database<Connection: Send>
{
    /// What is remembered of an open attempt beside its connection.
    #[doc(hidden)]
    type Opened: Send + Sync + fmt::Debug;

    /// Whether the database lets one writer in at a time, so that Idem queues them itself.
    #[doc(hidden)]
    const SINGLE_WRITER: bool;

    /// Whether a connection keeps step when a query on it is dropped halfway.
    #[doc(hidden)]
    const KEEPS_STEP: bool = true;

    /// Whether statements outside of an attempt bring a transaction of their own, which one that is
    /// dropped leaves open.
    #[doc(hidden)]
    const BRINGS_TRANSACTION: bool = false;

    /// The isolation of a transaction that stores a record and nothing else.
    #[doc(hidden)]
    const WITHOUT_TX: Isolation = Isolation::ReadCommitted;

    /// Begins a transaction as an application would that knows nothing of Idem.
    #[doc(hidden)]
    fn plain_begin(isolation: Isolation) -> &'static str;

    /// Begins the attempt's transaction (sqlx depth 1), probes for a running attempt of the
    /// same name, sets the guard savepoint, and reads the record. An error leaves the
    /// connection in an unknown state.
    #[doc(hidden)]
    fn open<'a>(
        conn: &'a mut Self::Connection,
        opening: &'a Opening<'a>,
    ) -> BoxFuture<'a, sqlx::Result<(Self::Opened, Probe)>>;

    /// What keeps the attempts of other processes out that share no lock of the database's own.
    #[doc(hidden)]
    type ProcessLock: Send + Sync + fmt::Debug;

    /// Takes that lock in an open attempt. `None`: another process has it.
    #[doc(hidden)]
    fn keep_processes_out<'a>(
        conn: &'a mut Self::Connection,
        name: &'a RecordName,
    ) -> BoxFuture<'a, sqlx::Result<Option<Self::ProcessLock>>>;

    /// Reads a record, in a transaction or outside of one.
    #[doc(hidden)]
    fn find<'a>(
        conn: &'a mut Self::Connection,
        name: &'a RecordName,
    ) -> BoxFuture<'a, sqlx::Result<Option<StoredRecord>>>;

    /// Releases the guard savepoint, which fails unless the transaction is the one that was
    /// opened, and restores the session state that storing the record depends on.
    ///
    /// `around` stands before and behind it in the same message: statements that end in `;`.
    #[doc(hidden)]
    fn release_guard<'a>(
        conn: &'a mut Self::Connection,
        opened: &'a Self::Opened,
        around: &'static str,
    ) -> BoxFuture<'a, sqlx::Result<()>>;

    /// Undoes everything since the guard savepoint, which stays set.
    #[doc(hidden)]
    fn roll_back_to_guard<'a>(
        conn: &'a mut Self::Connection,
        opened: &'a Self::Opened,
    ) -> BoxFuture<'a, sqlx::Result<()>>;

    /// Inserts the record, or replaces an expired one. `false`: a live one stands in its place.
    #[doc(hidden)]
    fn insert<'a>(
        conn: &'a mut Self::Connection,
        record: &'a NewRecord<'a>,
    ) -> BoxFuture<'a, sqlx::Result<bool>>;

    /// Lets what waits for a lock give up after a few seconds, or as late as it did before. A database
    /// that lets one writer in waits for none.
    #[doc(hidden)]
    fn limit_lock_waits(
        _: &mut Self::Connection,
        _is_limited: bool,
    ) -> BoxFuture<'_, sqlx::Result<()>> {
        Box::pin(async { Ok(()) })
    }

    /// Commits the attempt's transaction.
    #[doc(hidden)]
    fn commit<'a>(
        conn: &'a mut Self::Connection,
        opened: &'a Self::Opened,
    ) -> BoxFuture<'a, sqlx::Result<()>>;

    /// Whether a committed attempt's session is still to be [put back](Self::put_back).
    #[doc(hidden)]
    const CHANGES_SESSION: bool = false;

    /// Makes the connection of a committed attempt what it was. Nobody waits for that.
    #[doc(hidden)]
    fn put_back<'a>(
        _: &'a mut Self::Connection,
        _: &'a Self::Opened,
    ) -> BoxFuture<'a, sqlx::Result<()>> {
        Box::pin(async { Ok(()) })
    }

    /// Rolls the attempt's transaction back. After `Ok` the connection is as it came.
    #[doc(hidden)]
    fn roll_back<'a>(
        conn: &'a mut Self::Connection,
        opened: &'a Self::Opened,
    ) -> BoxFuture<'a, sqlx::Result<()>>;

    /// Tells the database to stop the statement that the attempt's connection is running.
    #[doc(hidden)]
    fn cancel<'a>(
        pool: &'a Pool<Self>,
        opened: &'a Self::Opened,
    ) -> BoxFuture<'a, sqlx::Result<()>>;

    /// Finds out on another connection what became of an attempt whose COMMIT is unclear.
    #[doc(hidden)]
    fn outcome<'a>(
        conn: &'a mut Self::Connection,
        name: &'a RecordName,
        attempt: Uuid,
    ) -> BoxFuture<'a, sqlx::Result<CommitOutcome>>;

    /// Classifies an error by its SQLSTATE or number, never by its text.
    #[doc(hidden)]
    fn fault(error: &sqlx::Error) -> Fault;
}

/// What an attempt's transaction is begun with.
#[derive(Debug)]
pub struct Opening<'a> {
    /// The record to claim; none for an attempt without a key.
    pub(crate) name: Option<&'a RecordName>,
    /// Names the guard savepoint.
    pub(crate) attempt: Uuid,
    /// Whether it is only wanted if the attempt may run: then a database may leave it out.
    #[cfg_attr(
        not(feature = "mysql"),
        expect(dead_code, reason = "the others begin before they probe")
    )]
    pub(crate) if_it_may_run: bool,
    /// The isolation that is asked for.
    #[cfg_attr(
        not(any(feature = "postgres", feature = "mysql")),
        expect(dead_code, reason = "SQLite knows one isolation")
    )]
    pub(crate) isolation: Isolation,
    /// Whether the handler may commit by itself, where that can be prevented.
    #[cfg_attr(
        not(feature = "sqlite"),
        expect(dead_code, reason = "the others cannot prevent it")
    )]
    pub(crate) may_commit: bool,
    /// How long a statement, or an idle moment, may take.
    #[cfg_attr(
        not(any(feature = "postgres", feature = "mysql")),
        expect(dead_code, reason = "SQLite needs no such limit")
    )]
    pub(crate) timeout: Duration,
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
        }
    }
}

/// What was found when the transaction was opened.
#[derive(Debug)]
pub struct Probe {
    /// No other attempt of this name runs, as far as the database can tell.
    pub(crate) free: bool,
    /// Writes are possible.
    pub(crate) writable: bool,
    /// The record that is there, live or expired.
    pub(crate) found: Option<StoredRecord>,
    /// A message whose handling has failed before.
    pub(crate) has_failed: bool,
}

#[cfg(feature = "mysql")]
impl Probe {
    /// Whether nothing stands in the attempt's way.
    fn may_run(&self) -> bool {
        self.free && self.writable && self.found.as_ref().is_none_or(|record| record.expired)
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
}

impl NewRecord<'_> {
    #[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite"))]
    fn reference(&self) -> Option<&str> {
        self.completion.reference.as_deref()
    }
}

/// A record as it stands in its row.
#[derive(Clone, Debug)]
pub struct StoredRecord {
    pub(crate) format: i16,
    pub(crate) fingerprint_version: i16,
    pub(crate) fingerprint: Vec<u8>,
    pub(crate) completion: Arc<Completion>,
    pub(crate) expired: bool,
    /// Since it was stored, by the database's clock.
    pub(crate) age: Duration,
}

impl StoredRecord {
    /// One that has been stored just now.
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

/// What became of an attempt.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CommitOutcome {
    /// Its record is there.
    Committed,
    /// Its transaction is over and left no record.
    RolledBack,
    /// It cannot be told yet.
    Running,
}

/// What an error of the database means for an attempt.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// A deadlock, a serialization failure, a busy database: the same again may succeed.
    Collision,
    /// The transaction had failed before; nothing of it can be committed.
    Aborted,
    /// The guard savepoint is gone: the transaction is not the one that was opened.
    GuardLost,
    /// The database could not; the same again may succeed once it can.
    Failed,
    /// The database said no, as a constraint does, and would to the same again.
    Refused,
    /// The connection is gone or confused: what happened is not known.
    Unknown,
}

/// The format in which this build writes records, and the only one it reads.
pub(crate) const FORMAT: i16 = 1;

/// How old a record is by these milliseconds; a clock that was set back makes it no younger.
#[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite"))]
fn age(milliseconds: i64) -> Duration {
    Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0))
}

/// A duration in whole milliseconds, as statements take it.
#[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite"))]
fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
