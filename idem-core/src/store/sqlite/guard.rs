//! The guard of an attempt on SQLite: a savepoint, or the hooks of [`OpenAttempt`].

use futures_util::future::BoxFuture;
use sqlx::Sqlite;
use sqlx::sqlite::SqliteConnection;

use super::open_attempt::OpenAttempt;
use super::records;
use crate::store::guard::GuardStore;
use crate::store::records::{NewRecord, StoreError, Stored};

impl GuardStore for Sqlite {
    fn release_guard<'a>(
        conn: &'a mut SqliteConnection,
        attempt: &'a OpenAttempt,
        around: &'static str,
    ) -> BoxFuture<'a, sqlx::Result<()>> {
        Box::pin(attempt.release_guard(conn, around))
    }

    fn roll_back_to_guard<'a>(
        conn: &'a mut SqliteConnection,
        attempt: &'a OpenAttempt,
    ) -> BoxFuture<'a, sqlx::Result<()>> {
        Box::pin(attempt.roll_back_to_guard(conn))
    }

    fn is_still_own<'a>(
        conn: &'a mut SqliteConnection,
        attempt: &'a OpenAttempt,
    ) -> BoxFuture<'a, sqlx::Result<bool>> {
        Box::pin(attempt.is_still_own(conn))
    }

    fn store<'a>(
        conn: &'a mut SqliteConnection,
        attempt: &'a mut OpenAttempt,
        record: Option<&'a NewRecord<'a>>,
    ) -> BoxFuture<'a, Result<Stored, StoreError>> {
        Box::pin(attempt.store(conn, record))
    }

    fn insert<'a>(
        conn: &'a mut SqliteConnection,
        _: &'a OpenAttempt,
        record: &'a NewRecord<'a>,
    ) -> BoxFuture<'a, sqlx::Result<bool>> {
        Box::pin(records::insert(conn, record))
    }
}
