//! The messages that begin an attempt on PostgreSQL.
//!
//! The first message is BEGIN, the second a call of `idem.step` (`migrations/postgres/0004_step.sql`). It
//! limits the time, tries the lock and reads the record. Its queries have each a snapshot of their own:
//! at read committed a function that is volatile sees what was committed before each of them (manual,
//! "Function Volatility Categories"), and only a snapshot that is taken after the lock shows what the
//! lock's last holder has committed. Above read committed the first statement fixes the snapshot for
//! the whole transaction. The probe can then miss a record that was committed in the moment of the
//! claim; the insert finds it, and the attempt has run in vain.
//!
//! A savepoint follows only where the writes may have to be undone while the transaction goes on. It
//! comes after the lock, since a rollback to it releases the locks that were taken later. It costs more
//! than its message: a transaction that writes behind it takes a second transaction id.

use sqlx::postgres::{PgConnection, PgTransactionManager};
use sqlx::{AssertSqlSafe, Connection, SqlSafeStr};
use sqlx_core::transaction::TransactionManager;

use super::error::is_about_names;
use super::merged::{self, Claimed, mergeable};
use super::open_attempt::{Form, OpenAttempt};
use super::records::find;
use super::statement::{has_names, run};
use super::step::{claim, look};
use crate::model::policy::Isolation;
use crate::model::record::RecordName;
use crate::store::records::{Opening, Probe};

/// Begins a transaction as an application does.
pub(super) fn begin_statement(isolation: Isolation) -> &'static str {
    match isolation {
        Isolation::Default => "begin",
        Isolation::ReadCommitted => "begin isolation level read committed",
        Isolation::Serializable => "begin isolation level serializable",
    }
}

/// Begins an attempt, a second time without names if they do not hold.
///
/// A name that the server does not know has failed the transaction, so it is rolled back and begun
/// again. Nothing is lost, since no handler has run. One repetition is enough: afterwards the connection
/// has no cached names, and an unnamed statement cannot fail in this way.
pub(super) async fn open(
    conn: &mut PgConnection,
    opening: &Opening<'_>,
) -> sqlx::Result<(OpenAttempt, Probe)> {
    if let Some(name) = mergeable(opening) {
        return claim_and_begin(conn, opening, name).await;
    }
    match begin_and_claim(conn, opening).await {
        Err(error) if is_about_names(&error) => {
            PgTransactionManager::rollback(conn).await?;
            conn.clear_cached_statements().await?;
            begin_and_claim(conn, opening).await
        }
        attempt => attempt,
    }
}

/// Sends the messages, and sets a savepoint if the attempt may need one.
async fn begin_and_claim(
    conn: &mut PgConnection,
    opening: &Opening<'_>,
) -> sqlx::Result<(OpenAttempt, Probe)> {
    let guard = opening
        .may_undo
        .then(|| format!("idem_{}", opening.attempt.simple()));
    let begin = begin_statement(opening.isolation);
    // Without a name there is no lock that must come first.
    let begin = match (&guard, opening.name) {
        (Some(guard), None) => AssertSqlSafe(format!("{begin}; savepoint {guard}")).into_sql_str(),
        _ => begin.into_sql_str(),
    };
    PgTransactionManager::begin(conn, Some(begin)).await?;
    let is_named = has_names(conn);
    let (session, probe) = claim(conn, opening, is_named).await?;
    let mut attempt = OpenAttempt {
        id: opening.attempt,
        guard,
        form: Form::Single {
            session,
            is_named,
            refuses_late: opening.refuses_late,
        },
        between: String::new(),
    };
    if let (Some(guard), Some(_)) = (&attempt.guard, opening.name) {
        // A duplicate needs no savepoint: its transaction is left at once.
        match !opening.if_it_may_run || probe.may_run() {
            true => drop(run(conn, format!("savepoint {guard}")).await?),
            false => attempt.guard = None,
        }
    }
    Ok((attempt, probe))
}

/// Sends both in one message. A duplicate has no transaction then, and its record is read by another one.
async fn claim_and_begin(
    conn: &mut PgConnection,
    opening: &Opening<'_>,
    name: &RecordName,
) -> sqlx::Result<(OpenAttempt, Probe)> {
    let (merged, claimed) = merged::claim(conn, opening, name).await?;
    let probe = match claimed {
        Claimed::Fresh => Probe::of(None),
        Claimed::Running => Probe::running(),
        Claimed::ReadOnly => Probe {
            is_writable: false,
            ..Probe::running()
        },
        Claimed::HasRecord => {
            let found = match look(conn, name).await? {
                Some(probe) => probe.found,
                None => find(conn, name).await?,
            };
            // If it has gone since, the next claim may run.
            Probe {
                found: found.filter(|record| !record.expired),
                ..Probe::running()
            }
        }
    };
    let attempt = OpenAttempt {
        id: opening.attempt,
        guard: None,
        form: Form::Merged(merged),
        between: String::new(),
    };
    Ok((attempt, probe))
}
