//! The statements for many messages in one transaction.
//!
//! A batch has one transaction and one guard savepoint, as a single attempt has, and inside of it one
//! savepoint after the other, all of the same name. A message that succeeds releases its savepoint; one
//! that fails rolls back to it and releases it. So at most one of them is set at a time, and a batch of
//! any length has a constant depth.
//!
//! The records are inserted at the end and not with the claim. If a handler sends its own COMMIT, its
//! writes survive, but no record says that messages were handled which were not.

use futures_util::future::BoxFuture;

use super::records::{NewRecord, StoredRecord};
use super::sealed::Sealed;
use crate::model::record::RecordName;

/// Claims and completes many messages in one transaction, opened without a name of its own.
#[doc(hidden)]
pub trait BatchStore: Sealed {
    /// Takes the locks of these names that are free, then reads their records: one result for each
    /// name, in this order.
    ///
    /// It waits for no other attempt. The connection holds the locks until the transaction ends.
    ///
    /// # Errors
    ///
    /// Any error of the database. The caller must roll back then.
    fn claim_all<'a>(
        conn: &'a mut Self::Connection,
        attempt: &'a mut Self::OpenAttempt,
        names: &'a [&'a RecordName],
    ) -> BoxFuture<'a, sqlx::Result<Vec<MessageProbe>>>;

    /// Inserts records, or replaces expired ones. `false`: a live record exists for one of them, and
    /// the caller must roll back.
    ///
    /// The records must have the same status and ttl, and no headers and body.
    ///
    /// # Errors
    ///
    /// Any error of the database. The caller must roll back then.
    fn insert_all<'a>(
        conn: &'a mut Self::Connection,
        records: &'a [NewRecord<'a>],
    ) -> BoxFuture<'a, sqlx::Result<bool>>;

    /// Releases the savepoint of one message and sets that of the next. Settings that the handler has
    /// changed for the transaction are restored in between, where the database can.
    ///
    /// # Errors
    ///
    /// As for [`savepoint`](Self::savepoint).
    fn next_savepoint<'a>(
        conn: &'a mut Self::Connection,
        _: &'a Self::OpenAttempt,
    ) -> BoxFuture<'a, sqlx::Result<bool>> {
        Self::savepoint(conn, NEXT)
    }

    /// Runs statements about savepoints. `false`: the database has rolled the whole transaction back by
    /// itself, so nothing of it is committed.
    ///
    /// # Errors
    ///
    /// A fault `GuardLost` if the savepoint does not exist: a handler has ended the transaction.
    fn savepoint<'a>(
        conn: &'a mut Self::Connection,
        text: &'static str,
    ) -> BoxFuture<'a, sqlx::Result<bool>>;
}

/// Sets the savepoint of a message.
pub(crate) const SET_SAVEPOINT: &str = "savepoint idem_message";
/// Releases the savepoint of a message.
pub(crate) const RELEASE_SAVEPOINT: &str = "release savepoint idem_message";
const NEXT: &str = "release savepoint idem_message; savepoint idem_message";

/// What the database said of one message when it was claimed.
#[derive(Debug)]
pub struct MessageProbe {
    /// No other attempt at it runs, as far as the database can tell.
    pub(crate) is_free: bool,
    /// Its stored record, live or expired.
    pub(crate) found: Option<StoredRecord>,
    /// It has failed before, and its attempts are counted.
    pub(crate) has_failed: bool,
}
