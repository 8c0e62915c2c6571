//! The statements for SQLite.
//!
//! | file | its part of an attempt |
//! | --- | --- |
//! | `begin`, `hooks` | the transaction of the one writer, and what its connection refuses |
//! | `open_attempt`, `guard` | the guard's release, the rollback to it, the end |
//! | `records` | the insert, and whether a record is an attempt's own |
//! | `process_lock` | excludes other processes while work runs outside of the transaction |
//! | `batch`, `dead_letters` | the inbox |
//! | `admin`, `rollout`, `maintenance`, `migrate` | operators |
//!
//! **One writer.** `BEGIN IMMEDIATE` takes the write lock of the file, which one connection of all
//! processes can have. So no other attempt with a transaction can be running, and the probe needs
//! no lock of its own. A deferred transaction would read first and upgrade later, which fails with
//! `SQLITE_BUSY` if anybody has written meanwhile (<https://www.sqlite.org/lang_transaction.html>).
//!
//! **The queue.** SQLite's own wait for the lock is a poll without an order. Within a process Idem
//! therefore queues writers itself (`node/connections.rs`); SQLite's `busy_timeout` only bounds the
//! wait for others.
//!
//! **COMMIT.** A commit hook rejects every COMMIT but Idem's own, and SQLite then rolls back. So no
//! write of a handler survives without its record, which no server can promise.

use futures_util::future::BoxFuture;
use sqlx::sqlite::{SqliteConnection, SqliteTransactionManager};
use sqlx::{Sqlite, SqlitePool};
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
mod error;
mod guard;
mod hooks;
mod maintenance;
mod migrate;
mod open_attempt;
mod process_lock;
mod records;
mod rollout;
mod statement;

use self::open_attempt::OpenAttempt;
use self::process_lock::ProcessLock;

impl Sealed for Sqlite {
    type OpenAttempt = OpenAttempt;
}

impl Backend for Sqlite {
    const SINGLE_WRITER: bool = true;

    type ProcessLock = ProcessLock;

    fn begin_statement(_: Isolation) -> &'static str {
        "begin immediate"
    }

    fn open<'a>(
        conn: &'a mut SqliteConnection,
        opening: &'a Opening<'a>,
    ) -> BoxFuture<'a, sqlx::Result<(OpenAttempt, Probe)>> {
        Box::pin(begin::open(conn, opening))
    }

    fn take_process_lock<'a>(
        conn: &'a mut SqliteConnection,
        name: &'a RecordName,
    ) -> BoxFuture<'a, sqlx::Result<Option<ProcessLock>>> {
        Box::pin(process_lock::take(conn, name))
    }

    fn find<'a>(
        conn: &'a mut SqliteConnection,
        name: &'a RecordName,
    ) -> BoxFuture<'a, sqlx::Result<Option<StoredRecord>>> {
        Box::pin(records::find(conn, name))
    }

    fn is_refused<'a>(
        conn: &'a mut SqliteConnection,
        name: &'a RecordName,
    ) -> BoxFuture<'a, sqlx::Result<bool>> {
        Box::pin(records::is_refused(conn, name))
    }

    fn commit<'a>(
        conn: &'a mut SqliteConnection,
        attempt: &'a OpenAttempt,
    ) -> BoxFuture<'a, sqlx::Result<()>> {
        attempt.hooks.end_attempt();
        Box::pin(SqliteTransactionManager::commit(conn))
    }

    fn roll_back<'a>(
        conn: &'a mut SqliteConnection,
        attempt: &'a OpenAttempt,
    ) -> BoxFuture<'a, sqlx::Result<()>> {
        Box::pin(attempt.roll_back(conn))
    }

    fn cancel<'a>(
        _: &'a SqlitePool,
        attempt: &'a OpenAttempt,
    ) -> BoxFuture<'a, sqlx::Result<bool>> {
        attempt.hooks.stop_statement();
        Box::pin(async { Ok(true) })
    }

    fn commit_outcome<'a>(
        conn: &'a mut SqliteConnection,
        name: &'a RecordName,
        attempt: Uuid,
    ) -> BoxFuture<'a, sqlx::Result<CommitOutcome>> {
        Box::pin(records::commit_outcome(conn, name, attempt))
    }
}
