//! What proves that a transaction is the one that Idem began, and what is stored on that proof.
//!
//! A handler can end the transaction by itself. What it wrote before is then committed or gone, and a record
//! that is stored afterwards would speak of other writes. So nothing is stored without a proof. Where a
//! savepoint is set, it is the guard: it exists in its own transaction alone.

use futures_util::future::BoxFuture;

use super::fault::{Fault, Faults};
use super::records::{NewRecord, StoreError, Stored};

/// Proves the transaction of an attempt, undoes its writes and stores its record.
#[doc(hidden)]
pub trait GuardStore: Faults {
    /// Releases the guard savepoint and restores the settings that storing a record depends on: the
    /// role, the database, the time limits.
    ///
    /// `around` is sent before and after that, in the same message: statements that end in `;`.
    ///
    /// # Errors
    ///
    /// [`Fault::GuardLost`] if the savepoint does not exist: the handler has ended the transaction that
    /// Idem began.
    fn release_guard<'a>(
        conn: &'a mut Self::Connection,
        attempt: &'a Self::OpenAttempt,
        around: &'static str,
    ) -> BoxFuture<'a, sqlx::Result<()>>;

    /// Undoes every write since the guard savepoint. The savepoint and the lock stay.
    ///
    /// It serves two callers. A response that is stored although its handler failed must leave none of the
    /// handler's writes, and a rollback learns by it whether the handler ended the transaction.
    ///
    /// # Errors
    ///
    /// [`Fault::GuardLost`] as for [`release_guard`](Self::release_guard). Where the server itself has
    /// rolled the transaction back, as MySQL does after a deadlock, another one is begun and the result
    /// is `Ok`.
    fn roll_back_to_guard<'a>(
        conn: &'a mut Self::Connection,
        attempt: &'a Self::OpenAttempt,
    ) -> BoxFuture<'a, sqlx::Result<()>>;

    /// Whether the transaction is still the one that Idem began, asked before it is rolled back.
    ///
    /// It may undo writes since the guard. The transaction may have failed.
    ///
    /// # Errors
    ///
    /// Any error of the database. The answer is unknown then, or that of an earlier statement, which
    /// was dropped.
    fn is_still_own<'a>(
        conn: &'a mut Self::Connection,
        attempt: &'a Self::OpenAttempt,
    ) -> BoxFuture<'a, sqlx::Result<bool>>;

    /// Proves that the transaction is the one that Idem began, restores the settings that storing a
    /// record depends on, and stores it. Without a record it proves and restores.
    ///
    /// [`Stored::Unproved`] leaves the proof to `commit_if_own`.
    ///
    /// # Errors
    ///
    /// Any error of the database. The caller must roll back then, and after any other answer than
    /// [`Stored::Yes`] and [`Stored::Unproved`].
    fn store<'a>(
        conn: &'a mut Self::Connection,
        attempt: &'a mut Self::OpenAttempt,
        record: Option<&'a NewRecord<'a>>,
    ) -> BoxFuture<'a, Result<Stored, StoreError>>;

    /// Inserts a record, or replaces an expired one, after the guard is released. `false`: a live
    /// record exists, and nothing is written.
    ///
    /// # Errors
    ///
    /// Any error of the database. The caller must roll back then.
    fn insert<'a>(
        conn: &'a mut Self::Connection,
        attempt: &'a Self::OpenAttempt,
        record: &'a NewRecord<'a>,
    ) -> BoxFuture<'a, sqlx::Result<bool>>;
}

/// Whether the guard savepoint exists, for a transaction that has one. Writes since then are undone.
pub(super) async fn has_guard<DB: GuardStore>(
    conn: &mut DB::Connection,
    attempt: &DB::OpenAttempt,
) -> sqlx::Result<bool> {
    match DB::roll_back_to_guard(conn, attempt).await {
        Err(error) if DB::fault(&error) == Fault::GuardLost => Ok(false),
        undone => undone.map(|()| true),
    }
}

/// Releases the guard savepoint, which proves the transaction, and inserts the record.
#[cfg(any(feature = "mysql", feature = "sqlite"))]
pub(super) async fn store_behind_guard<DB: GuardStore>(
    conn: &mut DB::Connection,
    attempt: &DB::OpenAttempt,
    record: Option<&NewRecord<'_>>,
) -> Result<Stored, StoreError> {
    match DB::release_guard(conn, attempt, "").await {
        Ok(()) => insert_proved::<DB>(conn, attempt, record).await,
        Err(error) if DB::fault(&error) == Fault::GuardLost => Ok(Stored::GuardLost),
        Err(error) => Err(StoreError {
            error,
            is_proved: false,
        }),
    }
}

/// Inserts the record, if there is one, in a transaction that is proved to be Idem's own.
#[cfg(any(feature = "mysql", feature = "sqlite"))]
pub(super) async fn insert_proved<DB: GuardStore>(
    conn: &mut DB::Connection,
    attempt: &DB::OpenAttempt,
    record: Option<&NewRecord<'_>>,
) -> Result<Stored, StoreError> {
    let Some(record) = record else {
        return Ok(Stored::Yes);
    };
    match DB::insert(conn, attempt, record).await {
        Ok(true) => Ok(Stored::Yes),
        Ok(false) => Ok(Stored::Exists { is_proved: true }),
        Err(error) => Err(StoreError {
            error,
            is_proved: true,
        }),
    }
}
