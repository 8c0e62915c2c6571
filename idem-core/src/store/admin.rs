//! What operators ask of the records.

use futures_util::future::BoxFuture;
use sqlx::Database;

use super::sealed;
use crate::{RecordFilter, RecordName};

/// The records as operators see them: their names and their state, never their answers.
#[doc(hidden)]
pub trait Records: sealed::Sealed + Database {
    /// Lists records behind a name in the order of the primary key.
    fn records<'a>(
        conn: &'a mut Self::Connection,
        filter: &'a RecordFilter,
        after: [&'a str; 3],
        limit: i64,
    ) -> BoxFuture<'a, sqlx::Result<Vec<StoredView>>>;

    /// Counts records by operation, state and age.
    fn count(conn: &mut Self::Connection) -> BoxFuture<'_, sqlx::Result<Vec<StoredCount>>>;

    /// Deletes a record. `false`: there was none.
    fn invalidate<'a>(
        conn: &'a mut Self::Connection,
        name: &'a RecordName,
    ) -> BoxFuture<'a, sqlx::Result<bool>>;
}

/// A record without its answer.
#[derive(Debug)]
pub struct StoredView {
    pub(crate) scope: String,
    pub(crate) operation: String,
    pub(crate) key: String,
    pub(crate) status: i16,
    pub(crate) reference: Option<String>,
    /// Milliseconds since 1970.
    pub(crate) created_at: i64,
    pub(crate) expires_at: i64,
    pub(crate) expired: bool,
    pub(crate) bytes: i64,
}

/// Records of one operation, status and age.
#[derive(Debug)]
pub struct StoredCount {
    pub(crate) operation: String,
    pub(crate) status: i16,
    pub(crate) expired: bool,
    /// 0: of the last hour, 1: of the last day, 2: older.
    pub(crate) age: i32,
    pub(crate) records: i64,
}
