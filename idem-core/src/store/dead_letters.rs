//! The statements about messages that have failed: attempts are counted, and dead letters kept.
//!
//! A row passes through these states; each change commits with what caused it:
//!
//! | event | `attempts` | `parked_at` | `redriven_at` | the record |
//! | --- | --- | --- | --- | --- |
//! | an attempt fails | +1 | null | null | none |
//! | the last attempt fails | +1 | now | null | stored, status 410 |
//! | an operator redrives it | 0 | as before | now | deleted, if its status is 410 |
//! | it fails again, below the limit | +1 | as before | as before | none |
//! | it fails again, at the limit | +1 | now | null | stored, status 410 |
//! | it is handled | the row is deleted | | | stored, status 200 |
//! | an operator discards it | the row is deleted | | | stays, or is stored with status 410 |
//!
//! Only a row whose `parked_at` is null expires. A dead letter stays until somebody acts on it.

use std::time::Duration;

use futures_util::future::BoxFuture;

use super::sealed::Sealed;
use crate::model::record::RecordName;

/// The table of messages that have failed: each row is a count of attempts, and a dead letter once it
/// is parked.
#[doc(hidden)]
pub trait DeadLetterStore: Sealed {
    /// Counts an attempt at a message, and returns the number of attempts with this one.
    ///
    /// `error`, `reference` and `payload` replace the row's values only if they are given: a count that is
    /// made before the attempt runs knows no error, and must not erase that of the attempt before.
    ///
    /// A count that has expired begins at 1 again. The row stays locked until the transaction ends.
    ///
    /// # Errors
    ///
    /// Any error of the database. The caller must roll back then.
    fn count_attempt<'a>(
        conn: &'a mut Self::Connection,
        attempt: &'a NewAttempt<'a>,
    ) -> BoxFuture<'a, sqlx::Result<i32>>;

    /// Makes a counted message a dead letter, in the transaction that stores its record.
    ///
    /// # Errors
    ///
    /// Any error of the database. The caller must roll back then.
    fn park<'a>(
        conn: &'a mut Self::Connection,
        name: &'a RecordName,
    ) -> BoxFuture<'a, sqlx::Result<()>>;

    /// Deletes the count of a message that was handled, in the transaction that stores its record.
    ///
    /// # Errors
    ///
    /// Any error of the database. The caller must roll back then.
    fn delete_attempt_count<'a>(
        conn: &'a mut Self::Connection,
        name: &'a RecordName,
    ) -> BoxFuture<'a, sqlx::Result<()>>;

    /// Lists up to `limit` dead letters of an operation with ids above `after`, or those of one message.
    ///
    /// It reads what is committed, and holds nothing afterwards.
    ///
    /// # Errors
    ///
    /// Any error of the database.
    fn list_dead_letters<'a>(
        conn: &'a mut Self::Connection,
        operation: &'a str,
        message_id: Option<&'a [u8]>,
        after: i64,
        limit: i64,
    ) -> BoxFuture<'a, sqlx::Result<Vec<StoredDeadLetter>>>;

    /// Lets a dead letter be handled again: sets its count to 0 and deletes its record, if the record
    /// has the status `parked`. `false`: no such dead letter exists.
    ///
    /// The status is compared so that a redrive that comes too late deletes no proof: if the message has
    /// been handled meanwhile, its record has status 200 and stays.
    ///
    /// # Errors
    ///
    /// Any error of the database. The caller must roll back then.
    fn redrive<'a>(
        conn: &'a mut Self::Connection,
        name: &'a RecordName,
        id: i64,
        parked: u16,
    ) -> BoxFuture<'a, sqlx::Result<bool>>;

    /// Deletes the dead letter of a name with this id. `false`: no such dead letter exists. Its record stays.
    ///
    /// # Errors
    ///
    /// Any error of the database.
    fn discard<'a>(
        conn: &'a mut Self::Connection,
        name: &'a RecordName,
        id: i64,
    ) -> BoxFuture<'a, sqlx::Result<bool>>;

    /// Counts the dead letters of all consumers.
    ///
    /// # Errors
    ///
    /// Any error of the database.
    fn count_dead_letters(conn: &mut Self::Connection) -> BoxFuture<'_, sqlx::Result<i64>>;

    /// Counts the dead letters of each operation that has any, in the order of their names.
    ///
    /// It reads what is committed, and holds nothing afterwards.
    ///
    /// # Errors
    ///
    /// Any error of the database.
    fn count_dead_letters_by_operation(
        conn: &mut Self::Connection,
    ) -> BoxFuture<'_, sqlx::Result<Vec<StoredDeadLetterCount>>>;

    /// Deletes up to `limit` counts that have expired, and commits. Dead letters and rows that others
    /// have locked are left out.
    ///
    /// # Errors
    ///
    /// Any error of the database; nothing is deleted then.
    ///
    /// Rows in use are skipped because an attempt that counts holds its row until it commits.
    fn sweep_dead_letters(
        conn: &mut Self::Connection,
        limit: i64,
    ) -> BoxFuture<'_, sqlx::Result<u64>>;

    /// Deletes up to `limit` counts and dead letters of a scope, and commits.
    ///
    /// It waits for rows that others have locked.
    ///
    /// # Errors
    ///
    /// Any error of the database; nothing is deleted then.
    fn erase_dead_letters<'a>(
        conn: &'a mut Self::Connection,
        scope: &'a str,
        limit: i64,
    ) -> BoxFuture<'a, sqlx::Result<u64>>;
}

/// An attempt to count: one that has failed, or one that begins and may crash its worker.
#[derive(Clone, Copy, Debug)]
pub struct NewAttempt<'a> {
    pub(crate) name: &'a RecordName,
    pub(crate) message_id: &'a [u8],
    /// It was not counted when it began.
    pub(crate) is_new: bool,
    pub(crate) error: Option<&'a str>,
    pub(crate) reference: Option<&'a str>,
    pub(crate) payload: Option<&'a [u8]>,
    /// How long the count is kept.
    pub(crate) retention: Duration,
}

/// The number of dead letters of one operation.
#[derive(Debug)]
pub struct StoredDeadLetterCount {
    pub(crate) operation: String,
    pub(crate) letters: i64,
    /// When the oldest one was parked, in milliseconds since 1970.
    pub(crate) oldest: i64,
}

/// A dead letter as it was read from its row.
#[derive(Debug)]
pub struct StoredDeadLetter {
    pub(crate) id: i64,
    pub(crate) scope: String,
    pub(crate) key: String,
    pub(crate) message_id: Vec<u8>,
    pub(crate) attempts: i32,
    pub(crate) error: Option<String>,
    pub(crate) reference: Option<String>,
    pub(crate) payload: Option<Vec<u8>>,
    /// Milliseconds since 1970.
    pub(crate) parked_at: i64,
    /// Milliseconds since 1970, if it was redriven since.
    pub(crate) redriven_at: Option<i64>,
}
