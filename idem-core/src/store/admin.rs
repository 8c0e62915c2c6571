//! The statements behind an operator's view of the records.
//!
//! Three rules hold for each of them. Stored headers and bodies are measured and never read, because
//! they belong to the client. Pages follow the primary key and not an offset, so a row that is inserted
//! or deleted between two pages neither repeats nor hides another. Times leave the database as
//! milliseconds since 1970, because each database has another type for them.

use futures_util::future::BoxFuture;

use super::sealed::Sealed;
use crate::model::record::RecordName;
use crate::model::record_filter::RecordFilter;

/// Lists, counts and deletes records. It never reads a stored answer.
#[doc(hidden)]
pub trait AdminStore: Sealed {
    /// Lists up to `limit` records in the order of the primary key, after the name `after`.
    ///
    /// `after` is the name of the last row of the page before, or three empty strings for the first page:
    /// no stored part is empty. The comparison is by bytes in all databases, so that the order of two pages
    /// is the same whatever the collation of the server.
    ///
    /// It reads what is committed, live or expired, and holds nothing afterwards.
    ///
    /// # Errors
    ///
    /// Any error of the database.
    fn list_records<'a>(
        conn: &'a mut Self::Connection,
        filter: &'a RecordFilter,
        after: [&'a str; 3],
        limit: i64,
    ) -> BoxFuture<'a, sqlx::Result<Vec<StoredRecordView>>>;

    /// Counts all records by operation, status, expiry and age. It reads the whole table.
    ///
    /// # Errors
    ///
    /// Any error of the database.
    fn count_records(
        conn: &mut Self::Connection,
    ) -> BoxFuture<'_, sqlx::Result<Vec<StoredRecordCount>>>;

    /// Counts the records of a scope, and its rows about failed messages.
    ///
    /// Both are read by one statement that names the scope alone, so that an engine that distributes the
    /// tables asks one server.
    ///
    /// # Errors
    ///
    /// Any error of the database.
    fn count_of_scope<'a>(
        conn: &'a mut Self::Connection,
        scope: &'a str,
    ) -> BoxFuture<'a, sqlx::Result<[i64; 2]>>;

    /// Deletes a record and the name's tombstone, in the transaction of an attempt. `false`: there is neither.
    ///
    /// # Errors
    ///
    /// Any error of the database.
    fn invalidate<'a>(
        conn: &'a mut Self::Connection,
        name: &'a RecordName,
    ) -> BoxFuture<'a, sqlx::Result<bool>>;
}

/// A record without its stored answer.
#[derive(Debug)]
pub struct StoredRecordView {
    pub(crate) scope: String,
    pub(crate) operation: String,
    pub(crate) key: String,
    pub(crate) status: i16,
    pub(crate) reference: Option<String>,
    /// Milliseconds since 1970.
    pub(crate) created_at: i64,
    /// Milliseconds since 1970.
    pub(crate) expires_at: i64,
    pub(crate) expired: bool,
    /// Milliseconds since 1970, if late retries are refused.
    pub(crate) refused_until: Option<i64>,
    /// The length of the stored headers and body.
    pub(crate) bytes: i64,
}

/// The number of records of one operation, status, expiry and age.
///
/// The age is a class and not a number, so that the result has few rows however large the table is.
#[derive(Debug)]
pub struct StoredRecordCount {
    pub(crate) operation: String,
    pub(crate) status: i16,
    pub(crate) expired: bool,
    /// 0: stored in the last hour, 1: in the last day, 2: before.
    pub(crate) age: i32,
    pub(crate) records: i64,
}
