//! The trait `Backend`: the statements of one attempt, from BEGIN to COMMIT.

use std::fmt;

use futures_util::future::BoxFuture;
use sqlx::Pool;
use uuid::Uuid;

use super::admin::AdminStore;
use super::batch::BatchStore;
use super::dead_letters::DeadLetterStore;
use super::guard::GuardStore;
use super::maintenance::MaintenanceStore;
use super::records::{CommitOutcome, Opening, Probe, StoredRecord};
use super::rollout::RolloutStore;
use crate::model::policy::Isolation;
use crate::model::record::RecordName;

/// A database that Idem keeps its records in: `Postgres`, `MySql` (MariaDB too) or `Sqlite`, behind their
/// features.
///
/// Sealed: the functions are not part of the public API.
// Boxed futures keep the time to compile short: docs/ARCHITECTURE.md says why.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a database of Idem, or its feature is off",
    label = "expected `sqlx::Postgres`, `sqlx::MySql` or `sqlx::Sqlite`",
    note = "turn the database on with the feature `postgres`, `mysql` or `sqlite` of `idem-axum`; if it is on, the application's `sqlx` is another version than Idem's: `cargo tree -d` shows both"
)]
pub trait Backend:
    GuardStore + AdminStore + BatchStore + DeadLetterStore + RolloutStore + MaintenanceStore
{
    /// Whether the database has one writer at a time. Idem then queues writers in the process.
    #[doc(hidden)]
    const SINGLE_WRITER: bool;

    /// Whether the connection can be used again when a query on it was dropped before it ended.
    #[doc(hidden)]
    const CANCEL_SAFE: bool = true;

    /// Whether statements outside of an attempt begin a transaction of their own. It stays open when
    /// the future is dropped, so the connection must be closed then.
    #[doc(hidden)]
    const BEGINS_OWN_TRANSACTION: bool = false;

    /// Whether a ROLLBACK that is queued for the next message is all that ends an attempt.
    #[doc(hidden)]
    const ROLLS_BACK_WITH_PING: bool = false;

    /// Whether [`restore_session`](Self::restore_session) must run after a COMMIT, before the connection
    /// goes back to the pool.
    #[doc(hidden)]
    const CHANGES_SESSION: bool = false;

    /// The isolation of a transaction that stores nothing but a record.
    #[doc(hidden)]
    const RECORD_ISOLATION: Isolation = Isolation::ReadCommitted;

    /// A lock against other processes, for work outside of a transaction. `()` where the database itself
    /// has such a lock.
    #[doc(hidden)]
    type ProcessLock: Send + Sync + fmt::Debug;

    /// The statements that begin a transaction without a record, as an application begins its own.
    #[doc(hidden)]
    fn begin_statement(isolation: Isolation) -> &'static str;

    /// Begins the transaction of an attempt and reads its record.
    ///
    /// The lock comes before the guard, so that a rollback to the guard keeps it. The record is read by a
    /// statement that begins after the lock is taken: a snapshot from before may lack what the lock's last
    /// holder has committed, and the attempt would run a second time.
    ///
    /// The database begins at SQLx's depth 1, takes the lock of the name if it is free, sets the guard
    /// savepoint and reads the record. It never waits for another attempt of the same name.
    ///
    /// After `Ok` the transaction is open and the connection holds the lock, both until
    /// [`commit`](Self::commit) or [`roll_back`](Self::roll_back). With
    /// [`Opening::if_it_may_run`] MySQL may have begun no transaction.
    ///
    /// # Errors
    ///
    /// Any error of the database. The state of the connection is unknown then: close it.
    #[doc(hidden)]
    fn open<'a>(
        conn: &'a mut Self::Connection,
        opening: &'a Opening<'a>,
    ) -> BoxFuture<'a, sqlx::Result<(Self::OpenAttempt, Probe)>>;

    /// Takes the process lock of a record, in an open attempt. `None`: another process has it.
    ///
    /// The lock is held until it is dropped, longer than the transaction if need be.
    ///
    /// # Errors
    ///
    /// An error of the database, or of the file system that the lock is a file of.
    #[doc(hidden)]
    fn take_process_lock<'a>(
        conn: &'a mut Self::Connection,
        name: &'a RecordName,
    ) -> BoxFuture<'a, sqlx::Result<Option<Self::ProcessLock>>>;

    /// Reads a record, live or expired, in a transaction or outside of one.
    ///
    /// Outside of one it reads what is committed, and no transaction is open afterwards.
    ///
    /// # Errors
    ///
    /// Any error of the database.
    #[doc(hidden)]
    fn find<'a>(
        conn: &'a mut Self::Connection,
        name: &'a RecordName,
    ) -> BoxFuture<'a, sqlx::Result<Option<StoredRecord>>>;

    /// Reads a record outside of a transaction, in one message, and whether the database takes writes.
    /// `None`: this connection cannot tell in one message.
    ///
    /// It does not say whether an attempt runs, and no transaction is open afterwards.
    ///
    /// # Errors
    ///
    /// Any error of the database.
    #[doc(hidden)]
    fn look<'a>(
        conn: &'a mut Self::Connection,
        name: &'a RecordName,
    ) -> BoxFuture<'a, sqlx::Result<Option<Probe>>> {
        Box::pin(async move { Ok(Some(Probe::of(Self::find(conn, name).await?))) })
    }

    /// Whether a late retry is refused: by its expired record, or by its tombstone. Outside of an attempt.
    ///
    /// A claim asks the same in [`open`](Self::open). Both look at the record before the tombstone or in
    /// the same snapshot, since a sweep writes the one before it deletes the other.
    ///
    /// # Errors
    ///
    /// Any error of the database.
    #[doc(hidden)]
    fn is_refused<'a>(
        conn: &'a mut Self::Connection,
        name: &'a RecordName,
    ) -> BoxFuture<'a, sqlx::Result<bool>>;

    /// Limits the waits for locks in this transaction to a few seconds, or removes that limit.
    ///
    /// A database with a single writer has no such waits, and does nothing.
    ///
    /// # Errors
    ///
    /// Any error of the database.
    #[doc(hidden)]
    fn limit_lock_waits(
        _: &mut Self::Connection,
        _is_limited: bool,
    ) -> BoxFuture<'_, sqlx::Result<()>> {
        Box::pin(async { Ok(()) })
    }

    /// Commits the attempt's transaction.
    ///
    /// After `Ok` it is durable, and its locks are released unless
    /// [`restore_session`](Self::restore_session) releases them.
    ///
    /// # Errors
    ///
    /// `Fault::Unknown` leaves open whether it has committed: ask
    /// [`commit_outcome`](Self::commit_outcome) on another connection. With any other fault it has not.
    #[doc(hidden)]
    fn commit<'a>(
        conn: &'a mut Self::Connection,
        attempt: &'a Self::OpenAttempt,
    ) -> BoxFuture<'a, sqlx::Result<()>>;

    /// As [`commit`](Self::commit), if the transaction is the one that Idem began, after
    /// [`Stored::Unproved`](super::Stored::Unproved). A database that never says so has proved it before.
    ///
    /// # Errors
    ///
    /// `Fault::GuardLost` if it is another one: nothing is committed, and the caller must roll back.
    /// Else as for [`commit`](Self::commit).
    #[doc(hidden)]
    fn commit_if_own<'a>(
        conn: &'a mut Self::Connection,
        attempt: &'a Self::OpenAttempt,
    ) -> BoxFuture<'a, sqlx::Result<()>> {
        Self::commit(conn, attempt)
    }

    /// Restores the session after a COMMIT and releases the session's locks.
    ///
    /// The client does not wait for it.
    ///
    /// # Errors
    ///
    /// Any error of the database. The connection must be closed then.
    #[doc(hidden)]
    fn restore_session<'a>(
        _: &'a mut Self::Connection,
        _: &'a Self::OpenAttempt,
    ) -> BoxFuture<'a, sqlx::Result<()>> {
        Box::pin(async { Ok(()) })
    }

    /// Rolls the attempt's transaction back, restores the session and releases the locks.
    ///
    /// # Errors
    ///
    /// Any error of the database. The connection must be closed then, which rolls back too.
    #[doc(hidden)]
    fn roll_back<'a>(
        conn: &'a mut Self::Connection,
        attempt: &'a Self::OpenAttempt,
    ) -> BoxFuture<'a, sqlx::Result<()>>;

    /// Asks the database to stop the statement that the attempt's connection is running.
    ///
    /// Dropping a future only stops waiting: the server works on, and holds its locks. So a timeout must
    /// reach the server by another way.
    ///
    /// It takes another connection of the pool. The request may arrive late: after `Ok` it may still
    /// stop the next statement on the attempt's connection. `false`: the attempt's transaction has ended,
    /// and nothing is stopped.
    ///
    /// # Errors
    ///
    /// An error of the other connection. The statement then runs on.
    #[doc(hidden)]
    fn cancel<'a>(
        pool: &'a Pool<Self>,
        attempt: &'a Self::OpenAttempt,
    ) -> BoxFuture<'a, sqlx::Result<bool>>;

    /// Has the server end the session of an attempt whose connection is closed already.
    ///
    /// Only MySQL needs it: it has no limit for statements that write, and one that runs does not
    /// notice that its client has gone.
    ///
    /// # Errors
    ///
    /// An error of the other connection, or the session has ended already.
    #[doc(hidden)]
    fn end_session<'a>(
        _: &'a Pool<Self>,
        _: &'a Self::OpenAttempt,
    ) -> BoxFuture<'a, sqlx::Result<()>> {
        Box::pin(async { Ok(()) })
    }

    /// Finds out what became of an attempt whose COMMIT was not acknowledged.
    ///
    /// A record with the token `attempt` proves that the transaction has committed. Its absence proves
    /// nothing until the lost transaction is over, which the free lock tells. A record of another attempt
    /// counts as absent.
    ///
    /// `conn` is another connection. It tries the lock of the name, which the lost transaction holds
    /// until it ends, and holds nothing afterwards.
    ///
    /// # Errors
    ///
    /// Any error of the database. The outcome stays unknown.
    #[doc(hidden)]
    fn commit_outcome<'a>(
        conn: &'a mut Self::Connection,
        name: &'a RecordName,
        attempt: Uuid,
    ) -> BoxFuture<'a, sqlx::Result<CommitOutcome>>;
}
