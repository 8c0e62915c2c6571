//! Reads rows into the store's types. Every database's statements use the same column names.
//!
//! A statement that reads a record selects `format`, `fingerprint_version`, `fingerprint`, `status`,
//! `headers`, `body`, `reference`, `expired` and `age`, whatever else it selects. `expired` and `age` are
//! computed by the statement from the database's clock, so no time of the process enters. A list of
//! names that is joined to the records has a row for each name; its columns are null without a record.

use std::sync::Arc;
use std::time::Duration;

use sqlx::{ColumnIndex, Decode, FromRow, Row, Type};

use super::admin::{StoredRecordCount, StoredRecordView};
use super::dead_letters::{StoredDeadLetter, StoredDeadLetterCount};
use super::records::StoredRecord;
use crate::model::record::Completion;

/// Reads the rows of one database. Generic functions would need a bound for each type of a column.
macro_rules! read_rows_of {
    ($row:ty) => {
        impl FromRow<'_, $row> for StoredRecord {
            fn from_row(row: &$row) -> sqlx::Result<Self> {
                let status: i16 = row.try_get("status")?;
                let age: i64 = row.try_get("age")?;
                Ok(Self {
                    format: row.try_get("format")?,
                    fingerprint_version: row.try_get("fingerprint_version")?,
                    fingerprint: row.try_get("fingerprint")?,
                    completion: Arc::new(Completion {
                        // Zero is no status: a damaged record is not replayed.
                        status: u16::try_from(status).unwrap_or(0),
                        headers: row.try_get("headers")?,
                        body: row.try_get::<Vec<u8>, _>("body")?.into(),
                        reference: row.try_get("reference")?,
                    }),
                    expired: row.try_get("expired")?,
                    // A clock that was set back makes no record younger than new.
                    age: Duration::from_millis(u64::try_from(age).unwrap_or(0)),
                })
            }
        }

        impl FromRow<'_, $row> for StoredRecordView {
            fn from_row(row: &$row) -> sqlx::Result<Self> {
                Ok(Self {
                    scope: row.try_get("scope")?,
                    operation: row.try_get("operation")?,
                    key: row.try_get("key")?,
                    status: row.try_get("status")?,
                    reference: row.try_get("reference")?,
                    created_at: row.try_get("created_at")?,
                    expires_at: row.try_get("expires_at")?,
                    expired: row.try_get("expired")?,
                    refused_until: row.try_get("refused_until")?,
                    bytes: row.try_get("bytes")?,
                })
            }
        }

        impl FromRow<'_, $row> for StoredRecordCount {
            fn from_row(row: &$row) -> sqlx::Result<Self> {
                Ok(Self {
                    operation: row.try_get("operation")?,
                    status: row.try_get("status")?,
                    expired: row.try_get("expired")?,
                    age: row.try_get("age")?,
                    records: row.try_get("records")?,
                })
            }
        }

        impl FromRow<'_, $row> for StoredDeadLetterCount {
            fn from_row(row: &$row) -> sqlx::Result<Self> {
                Ok(Self {
                    operation: row.try_get("operation")?,
                    letters: row.try_get("letters")?,
                    oldest: row.try_get("oldest")?,
                })
            }
        }

        impl FromRow<'_, $row> for StoredDeadLetter {
            fn from_row(row: &$row) -> sqlx::Result<Self> {
                Ok(Self {
                    id: row.try_get("id")?,
                    scope: row.try_get("scope")?,
                    key: row.try_get("key")?,
                    message_id: row.try_get("message_id")?,
                    attempts: row.try_get("attempts")?,
                    error: row.try_get("error")?,
                    reference: row.try_get("reference")?,
                    payload: row.try_get("payload")?,
                    parked_at: row.try_get("parked_at")?,
                    redriven_at: row.try_get("redriven_at")?,
                })
            }
        }
    };
}

#[cfg(feature = "postgres")]
read_rows_of!(sqlx::postgres::PgRow);
#[cfg(feature = "mysql")]
read_rows_of!(sqlx::mysql::MySqlRow);
#[cfg(feature = "sqlite")]
read_rows_of!(sqlx::sqlite::SqliteRow);

/// The record in a row of a left join: `None` where its columns are null.
pub(super) fn joined_record<'r, R: Row>(row: &'r R) -> sqlx::Result<Option<StoredRecord>>
where
    &'static str: ColumnIndex<R>,
    Option<i16>: Decode<'r, R::Database> + Type<R::Database>,
    StoredRecord: FromRow<'r, R>,
{
    let format: Option<i16> = row.try_get("format")?;
    format.map(|_| StoredRecord::from_row(row)).transpose()
}
