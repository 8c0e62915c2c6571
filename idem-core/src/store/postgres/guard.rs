//! The guard of an attempt on PostgreSQL: [`OpenAttempt`] says what proves its transaction.

use futures_util::future::BoxFuture;
use sqlx::Postgres;
use sqlx::postgres::PgConnection;

use super::open_attempt::{Form, OpenAttempt};
use super::step;
use crate::store::guard::GuardStore;
use crate::store::records::{NewRecord, StoreError, Stored};

impl GuardStore for Postgres {
    fn release_guard<'a>(
        conn: &'a mut PgConnection,
        attempt: &'a OpenAttempt,
        around: &'static str,
    ) -> BoxFuture<'a, sqlx::Result<()>> {
        Box::pin(attempt.release_guard(conn, around))
    }

    fn roll_back_to_guard<'a>(
        conn: &'a mut PgConnection,
        attempt: &'a OpenAttempt,
    ) -> BoxFuture<'a, sqlx::Result<()>> {
        Box::pin(attempt.roll_back_to_guard(conn))
    }

    fn is_still_own<'a>(
        conn: &'a mut PgConnection,
        attempt: &'a OpenAttempt,
    ) -> BoxFuture<'a, sqlx::Result<bool>> {
        Box::pin(attempt.is_still_own(conn))
    }

    fn store<'a>(
        conn: &'a mut PgConnection,
        attempt: &'a mut OpenAttempt,
        record: Option<&'a NewRecord<'a>>,
    ) -> BoxFuture<'a, Result<Stored, StoreError>> {
        Box::pin(async move {
            if let (Form::Merged(merged), Some(record)) = (&mut attempt.form, record) {
                merged.store(record);
                return Ok(Stored::Unproved);
            }
            let stored = step::store(conn, attempt, record).await;
            // A statement that fails leaves no answer.
            stored.map_err(|error| StoreError {
                error,
                is_proved: false,
            })
        })
    }

    fn insert<'a>(
        conn: &'a mut PgConnection,
        attempt: &'a OpenAttempt,
        record: &'a NewRecord<'a>,
    ) -> BoxFuture<'a, sqlx::Result<bool>> {
        Box::pin(async move {
            let stored = step::store(conn, attempt, Some(record)).await?;
            Ok(stored == Stored::Yes)
        })
    }
}
