//! What the inbox asks of a database about messages whose handling has failed.

use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::Database;

use super::sealed;
use crate::RecordName;

/// The table of messages whose handling has failed: counted, parked, handed back.
#[doc(hidden)]
pub trait Letters: sealed::Sealed + Database {
    /// Counts an attempt at a message, and says how many there were with it.
    fn count_attempt<'a>(
        conn: &'a mut Self::Connection,
        attempt: &'a NewAttempt<'a>,
    ) -> BoxFuture<'a, sqlx::Result<i32>>;

    /// Makes a counted message a dead letter.
    fn park<'a>(
        conn: &'a mut Self::Connection,
        name: &'a RecordName,
    ) -> BoxFuture<'a, sqlx::Result<()>>;

    /// Forgets a message that is handled at last.
    fn settle<'a>(
        conn: &'a mut Self::Connection,
        name: &'a RecordName,
    ) -> BoxFuture<'a, sqlx::Result<()>>;

    /// Lists dead letters with larger ids than `after`; those of one message, if it is given.
    fn letters<'a>(
        conn: &'a mut Self::Connection,
        operation: &'a str,
        message_id: Option<&'a [u8]>,
        after: i64,
        limit: i64,
    ) -> BoxFuture<'a, sqlx::Result<Vec<StoredLetter>>>;

    /// Lets a dead letter be handled again: deletes the record of status `parked` in its way.
    /// `false`: there is no such letter.
    fn redrive<'a>(
        conn: &'a mut Self::Connection,
        name: &'a RecordName,
        id: i64,
        parked: u16,
    ) -> BoxFuture<'a, sqlx::Result<bool>>;

    /// Forgets a dead letter. `false`: there is no such letter.
    fn discard(conn: &mut Self::Connection, id: i64) -> BoxFuture<'_, sqlx::Result<bool>>;

    /// Counts the dead letters of all consumers.
    fn count_letters(conn: &mut Self::Connection) -> BoxFuture<'_, sqlx::Result<i64>>;

    /// Deletes up to `limit` counts that have expired.
    fn sweep_letters(conn: &mut Self::Connection, limit: i64) -> BoxFuture<'_, sqlx::Result<u64>>;

    /// Deletes up to `limit` letters of a scope, parked or not.
    fn erase_letters<'a>(
        conn: &'a mut Self::Connection,
        scope: &'a str,
        limit: i64,
    ) -> BoxFuture<'a, sqlx::Result<u64>>;
}

/// An attempt at a message that has failed, or may fail without anybody left to say so.
#[derive(Clone, Copy, Debug)]
pub struct NewAttempt<'a> {
    pub(crate) name: &'a RecordName,
    pub(crate) message_id: &'a [u8],
    /// It was not counted before it began.
    pub(crate) is_new: bool,
    pub(crate) error: Option<&'a str>,
    pub(crate) reference: Option<&'a str>,
    pub(crate) payload: Option<&'a [u8]>,
    /// How long the count is kept.
    pub(crate) retention: Duration,
}

/// A dead letter as it stands in its row.
#[derive(Debug)]
pub struct StoredLetter {
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
    pub(crate) redriven_at: Option<i64>,
}
