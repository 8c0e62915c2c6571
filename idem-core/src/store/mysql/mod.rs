//! The statements for MariaDB and MySQL.
//!
//! | file | its part of an attempt |
//! | --- | --- |
//! | `begin`, `limits`, `name` | the probe and its limits before the transaction, then its begin |
//! | `open_attempt`, `guard`, `savepoint` | the guard's release, the rollback to it, the end of the session's state |
//! | `records` | the insert, and the outcome of a lost COMMIT |
//! | `batch`, `dead_letters` | the inbox |
//! | `admin`, `rollout`, `maintenance`, `migrate` | operators |
//! | `statement` | how statements are sent on a session that may have a transaction open |
//!
//! **The lock** is `GET_LOCK` with a timeout of 0: both servers answer at once, and no row or gap
//! is locked while the handler runs. It belongs to the session, not to the transaction: COMMIT and
//! ROLLBACK keep it. A session that has it gets it a second time, so a lock that is left behind
//! would shut out all other sessions and not this one. Idem therefore releases it after the
//! transaction has ended, and closes a connection on which it cannot. In the end the primary key
//! decides.
//!
//! **One message, several statements.** Names of records are written into such texts as hexadecimal
//! literals, which no `sql_mode` and no character set reads in another way. The server stops a text
//! at its first failing statement, so what follows an error has not run.
//!
//! **Two servers, one text.** Comments that begin with `/*M!` are read by MariaDB alone, those with
//! `/*!80000` by MySQL alone.
//!
//! **The session changes.** An attempt turns `autocommit` off and sets limits of the session, since
//! neither server has limits of a transaction. `restore_session` sets them back from user
//! variables, which live as long as the session.

use futures_util::future::BoxFuture;
use sqlx::mysql::{MySqlConnection, MySqlTransactionManager};
use sqlx::{MySql, MySqlPool};
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
mod limits;
mod maintenance;
mod migrate;
mod name;
mod open_attempt;
mod records;
mod rollout;
mod savepoint;
mod statement;

use self::open_attempt::OpenAttempt;

impl Sealed for MySql {
    type OpenAttempt = OpenAttempt;
}

impl Backend for MySql {
    const SINGLE_WRITER: bool = false;

    // Until sqlx > 0.9.0: a dropped query's PREPARE is not waited for, and the connection takes
    // its answer for another's.
    const CANCEL_SAFE: bool = false;

    const CHANGES_SESSION: bool = true;

    // A server that logs statements rejects writes that are read committed, and the work outside of
    // the transaction is done by then.
    const RECORD_ISOLATION: Isolation = Isolation::Default;

    // The user-level lock keeps other processes out.
    type ProcessLock = ();

    fn begin_statement(isolation: Isolation) -> &'static str {
        begin::begin_statement(isolation)
    }

    fn open<'a>(
        conn: &'a mut MySqlConnection,
        opening: &'a Opening<'a>,
    ) -> BoxFuture<'a, sqlx::Result<(OpenAttempt, Probe)>> {
        Box::pin(begin::open(conn, opening))
    }

    fn take_process_lock<'a>(
        _: &'a mut MySqlConnection,
        _: &'a RecordName,
    ) -> BoxFuture<'a, sqlx::Result<Option<()>>> {
        Box::pin(async { Ok(Some(())) })
    }

    fn find<'a>(
        conn: &'a mut MySqlConnection,
        name: &'a RecordName,
    ) -> BoxFuture<'a, sqlx::Result<Option<StoredRecord>>> {
        Box::pin(records::find(conn, name))
    }

    fn look<'a>(
        conn: &'a mut MySqlConnection,
        name: &'a RecordName,
    ) -> BoxFuture<'a, sqlx::Result<Option<Probe>>> {
        Box::pin(records::look(conn, name))
    }

    fn is_refused<'a>(
        conn: &'a mut MySqlConnection,
        name: &'a RecordName,
    ) -> BoxFuture<'a, sqlx::Result<bool>> {
        Box::pin(records::is_refused(conn, name))
    }

    fn limit_lock_waits(
        conn: &mut MySqlConnection,
        is_limited: bool,
    ) -> BoxFuture<'_, sqlx::Result<()>> {
        Box::pin(limits::limit_lock_waits(conn, is_limited))
    }

    fn commit<'a>(
        conn: &'a mut MySqlConnection,
        _: &'a OpenAttempt,
    ) -> BoxFuture<'a, sqlx::Result<()>> {
        Box::pin(MySqlTransactionManager::commit(conn))
    }

    fn commit_if_own<'a>(
        conn: &'a mut MySqlConnection,
        attempt: &'a OpenAttempt,
    ) -> BoxFuture<'a, sqlx::Result<()>> {
        Box::pin(attempt.commit_if_own(conn))
    }

    fn restore_session<'a>(
        conn: &'a mut MySqlConnection,
        attempt: &'a OpenAttempt,
    ) -> BoxFuture<'a, sqlx::Result<()>> {
        Box::pin(attempt.restore_session(conn))
    }

    fn roll_back<'a>(
        conn: &'a mut MySqlConnection,
        attempt: &'a OpenAttempt,
    ) -> BoxFuture<'a, sqlx::Result<()>> {
        Box::pin(attempt.roll_back(conn))
    }

    fn cancel<'a>(
        pool: &'a MySqlPool,
        attempt: &'a OpenAttempt,
    ) -> BoxFuture<'a, sqlx::Result<bool>> {
        Box::pin(attempt.cancel(pool))
    }

    fn end_session<'a>(
        pool: &'a MySqlPool,
        attempt: &'a OpenAttempt,
    ) -> BoxFuture<'a, sqlx::Result<()>> {
        Box::pin(attempt.end_session(pool))
    }

    fn commit_outcome<'a>(
        conn: &'a mut MySqlConnection,
        name: &'a RecordName,
        attempt: Uuid,
    ) -> BoxFuture<'a, sqlx::Result<CommitOutcome>> {
        Box::pin(records::commit_outcome(conn, name, attempt))
    }
}
