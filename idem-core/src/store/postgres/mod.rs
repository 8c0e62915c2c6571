//! The statements for PostgreSQL.
//!
//! | file | its part of an attempt |
//! | --- | --- |
//! | `begin` | the messages before the handler: BEGIN, the claim, perhaps a savepoint |
//! | [`step`] | the claim and the insert, which are one function on the server |
//! | `merged` | the same in the messages of BEGIN and COMMIT, where the application asks for it |
//! | `open_attempt`, `guard` | the proof that the transaction is the attempt's own, the cancel |
//! | `records` | finding a record, and the outcome of a lost COMMIT |
//! | `batch`, `dead_letters` | the inbox |
//! | `admin`, `rollout`, `maintenance`, `migrate` | operators |
//! | [`statement`] | how statements are sent |
//!
//! **The lock** is `pg_try_advisory_xact_lock` (manual, "Advisory Locks"): it answers at once, and
//! COMMIT, ROLLBACK and the end of the connection release it. So nothing has to be undone after a crash,
//! and the session is as it was, which a pooler in transaction mode needs. A savepoint that is rolled
//! back releases the advisory locks taken after it, so the lock is taken before the guard.
//!
//! **Names of tables** contain the schema, so a handler's `search_path` cannot hide them. Functions are
//! found in `pg_catalog`, which is searched first unless the path names it later.
//!
//! **The log.** The server logs a failing statement with its text, and a violated constraint with the
//! row. So keys and bodies are parameters, and no statement fails on a duplicate: the insert has an
//! `on conflict` clause and reports its row count. `merged` is the exception, which the application asks
//! for.
//!
//! **Poolers.** Every statement works behind a pooler that shares server connections per transaction:
//! see [`statement`].

use futures_util::future::BoxFuture;
use sqlx::postgres::{PgConnection, PgTransactionManager};
use sqlx::{PgPool, Postgres};
use sqlx_core::transaction::TransactionManager;
use uuid::Uuid;

use super::backend::Backend;
use super::records::{CommitOutcome, Opening, Probe, StoredRecord};
use super::sealed::Sealed;
use crate::model::policy::Isolation;
use crate::model::record::RecordName;

mod admin;
mod batch;
mod begin;
mod dead_letters;
mod deletion;
mod error;
mod guard;
mod maintenance;
mod merged;
mod migrate;
mod open_attempt;
mod records;
mod rollout;
mod statement;
mod step;

use self::open_attempt::{Form, OpenAttempt};

impl Sealed for Postgres {
    type OpenAttempt = OpenAttempt;
}

impl Backend for Postgres {
    const SINGLE_WRITER: bool = false;
    const BEGINS_OWN_TRANSACTION: bool = true;
    const ROLLS_BACK_WITH_PING: bool = true;

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

    fn look<'a>(
        conn: &'a mut PgConnection,
        name: &'a RecordName,
    ) -> BoxFuture<'a, sqlx::Result<Option<Probe>>> {
        Box::pin(step::look(conn, name))
    }

    fn is_refused<'a>(
        conn: &'a mut PgConnection,
        name: &'a RecordName,
    ) -> BoxFuture<'a, sqlx::Result<bool>> {
        Box::pin(records::is_refused(conn, name))
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

    fn commit_if_own<'a>(
        conn: &'a mut PgConnection,
        attempt: &'a OpenAttempt,
    ) -> BoxFuture<'a, sqlx::Result<()>> {
        Box::pin(async move {
            match &attempt.form {
                Form::Merged(merged) => merged.commit(conn).await,
                Form::Single { .. } => PgTransactionManager::commit(conn).await,
            }
        })
    }

    fn roll_back<'a>(
        conn: &'a mut PgConnection,
        _: &'a OpenAttempt,
    ) -> BoxFuture<'a, sqlx::Result<()>> {
        Box::pin(PgTransactionManager::rollback(conn))
    }

    fn cancel<'a>(pool: &'a PgPool, attempt: &'a OpenAttempt) -> BoxFuture<'a, sqlx::Result<bool>> {
        Box::pin(attempt.cancel(pool))
    }

    fn commit_outcome<'a>(
        conn: &'a mut PgConnection,
        name: &'a RecordName,
        attempt: Uuid,
    ) -> BoxFuture<'a, sqlx::Result<CommitOutcome>> {
        Box::pin(records::commit_outcome(conn, name, attempt))
    }
}
