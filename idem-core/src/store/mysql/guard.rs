//! The guard of an attempt on MariaDB and MySQL: the savepoint that [`OpenAttempt`] names.

use futures_util::future::BoxFuture;
use sqlx::MySql;
use sqlx::mysql::MySqlConnection;

use super::open_attempt::OpenAttempt;
use super::records;
use crate::store::guard::{GuardStore, has_guard};
use crate::store::records::{NewRecord, StoreError, Stored};

impl GuardStore for MySql {
    fn release_guard<'a>(
        conn: &'a mut MySqlConnection,
        attempt: &'a OpenAttempt,
        around: &'static str,
    ) -> BoxFuture<'a, sqlx::Result<()>> {
        Box::pin(attempt.release_guard(conn, around))
    }

    fn roll_back_to_guard<'a>(
        conn: &'a mut MySqlConnection,
        attempt: &'a OpenAttempt,
    ) -> BoxFuture<'a, sqlx::Result<()>> {
        Box::pin(attempt.roll_back_to_guard(conn))
    }

    fn is_still_own<'a>(
        conn: &'a mut MySqlConnection,
        attempt: &'a OpenAttempt,
    ) -> BoxFuture<'a, sqlx::Result<bool>> {
        Box::pin(has_guard::<Self>(conn, attempt))
    }

    fn store<'a>(
        conn: &'a mut MySqlConnection,
        attempt: &'a mut OpenAttempt,
        record: Option<&'a NewRecord<'a>>,
    ) -> BoxFuture<'a, Result<Stored, StoreError>> {
        Box::pin(attempt.store(conn, record))
    }

    fn insert<'a>(
        conn: &'a mut MySqlConnection,
        _: &'a OpenAttempt,
        record: &'a NewRecord<'a>,
    ) -> BoxFuture<'a, sqlx::Result<bool>> {
        Box::pin(records::insert(conn, record))
    }
}
