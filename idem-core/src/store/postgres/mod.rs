//! The statements for PostgreSQL.
//!
//! Every table is named with its schema, so a handler's `search_path` cannot hide it. Keys and bodies
//! are parameters and no statement fails on a duplicate, so neither gets into the server's log.
//!
//! Every statement works behind a pooler that lends a server connection per transaction: see
//! [`statement`].

use futures_util::future::BoxFuture;
use sqlx::postgres::{PgConnection, PgTransactionManager};
use sqlx::{PgPool, Postgres};
use sqlx_core::transaction::TransactionManager;
use uuid::Uuid;

use super::backend::Backend;
use super::fault::Fault;
use super::records::{CommitOutcome, NewRecord, Opening, Probe, StoredRecord};
use super::sealed::Sealed;
use crate::model::policy::Isolation;
use crate::model::record::RecordName;

mod admin;
mod batch;
mod begin;
mod dead_letters;
mod error;
mod maintenance;
mod migrate;
mod open_attempt;
mod records;
mod rollout;
mod statement;

use self::open_attempt::OpenAttempt;

impl Sealed for Postgres {
    type OpenAttempt = OpenAttempt;
}

impl Backend for Postgres {
    const SINGLE_WRITER: bool = false;
    const BEGINS_OWN_TRANSACTION: bool = true;

    // The advisory lock keeps other processes out.
    type ProcessLock = ();

    fn begin_statement(isolation: Isolation) -> &'static str {
        begin::begin_statement(isolation)
    }

    fn open<'a>(
        conn: &'a mut PgConnection,
        opening: &'a Opening<'a>,
    ) -> BoxFuture<'a, sqlx::Result<(OpenAttempt, Probe)>> {
        Box::pin(begin::open(conn, opening))
    }

    fn take_process_lock<'a>(
        _: &'a mut PgConnection,
        _: &'a RecordName,
    ) -> BoxFuture<'a, sqlx::Result<Option<()>>> {
        Box::pin(async { Ok(Some(())) })
    }

    fn find<'a>(
        conn: &'a mut PgConnection,
        name: &'a RecordName,
    ) -> BoxFuture<'a, sqlx::Result<Option<StoredRecord>>> {
        Box::pin(records::find(conn, name))
    }

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

    fn insert<'a>(
        conn: &'a mut PgConnection,
        record: &'a NewRecord<'a>,
    ) -> BoxFuture<'a, sqlx::Result<bool>> {
        Box::pin(records::insert(conn, record))
    }

    fn limit_lock_waits(
        conn: &mut PgConnection,
        is_limited: bool,
    ) -> BoxFuture<'_, sqlx::Result<()>> {
        Box::pin(open_attempt::limit_lock_waits(conn, is_limited))
    }

    fn commit<'a>(
        conn: &'a mut PgConnection,
        _: &'a OpenAttempt,
    ) -> BoxFuture<'a, sqlx::Result<()>> {
        Box::pin(PgTransactionManager::commit(conn))
    }

    fn roll_back<'a>(
        conn: &'a mut PgConnection,
        _: &'a OpenAttempt,
    ) -> BoxFuture<'a, sqlx::Result<()>> {
        Box::pin(PgTransactionManager::rollback(conn))
    }

    fn cancel<'a>(pool: &'a PgPool, attempt: &'a OpenAttempt) -> BoxFuture<'a, sqlx::Result<()>> {
        Box::pin(attempt.cancel(pool))
    }

    fn commit_outcome<'a>(
        conn: &'a mut PgConnection,
        name: &'a RecordName,
        attempt: Uuid,
    ) -> BoxFuture<'a, sqlx::Result<CommitOutcome>> {
        Box::pin(records::commit_outcome(conn, name, attempt))
    }

    fn fault(error: &sqlx::Error) -> Fault {
        error::fault(error)
    }
}
