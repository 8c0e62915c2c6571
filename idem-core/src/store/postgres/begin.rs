//! The messages that begin an attempt on PostgreSQL.
//!
//! The first message is a text of several statements, which the simple query protocol takes in one round
//! trip. Its last statement is the guard, so an error anywhere in it leaves no guard, and SQLx reports
//! that no transaction has begun.
//!
//! The second message is the probe. It must be a statement of its own: at read committed each statement
//! has a new snapshot (manual, "Read Committed Isolation Level"), and only a snapshot that is taken after
//! the lock shows what the lock's last holder has committed. Above read committed the first statement
//! fixes the snapshot for the whole transaction. The probe can then miss a record that was committed
//! in the moment of the claim; the insert finds it, and the attempt has run in vain.
//!
//! What the first message learns, the second one returns: `set_config(…, true)` keeps a value for the
//! transaction under a name of Idem's, `idem.free` and `idem.seqscan`. A text of several statements that
//! is sent as one BEGIN returns no rows to its caller.

use sqlx::postgres::{PgConnection, PgTransactionManager};
use sqlx::{AssertSqlSafe, Connection, Row, SqlSafeStr};
use sqlx_core::transaction::TransactionManager;

use super::error::is_about_names;
use super::open_attempt::OpenAttempt;
use super::statement::frequent;
use crate::model::policy::Isolation;
use crate::store::records::{Opening, Probe, millis};
use crate::store::row::joined_record;

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
    match begin_and_probe(conn, opening).await {
        Err(error) if is_about_names(&error) => {
            PgTransactionManager::rollback(conn).await?;
            conn.clear_cached_statements().await?;
            begin_and_probe(conn, opening).await
        }
        attempt => attempt,
    }
}

/// Sends both messages and reads the row of the probe.
///
/// There is always one row, because the probe joins a record to a row without columns. A null `format`
/// means that there is no record.
async fn begin_and_probe(
    conn: &mut PgConnection,
    opening: &Opening<'_>,
) -> sqlx::Result<(OpenAttempt, Probe)> {
    let guard = format!("idem_{}", opening.attempt.simple());
    let begin = AssertSqlSafe(begin(opening, &guard)).into_sql_str();
    PgTransactionManager::begin(conn, Some(begin)).await?;
    // A second statement has a snapshot of its own: it sees what the lock's last holder has committed,
    // which the statement that takes the lock does not.
    let row = frequent(conn, probe(opening))
        .bind(opening.name.map(|name| name.scope.as_str()))
        .bind(opening.name.map(|name| name.operation.as_str()))
        .bind(opening.name.map(|name| name.key.as_str()))
        .fetch_one(&mut *conn)
        .await?;
    let probe = Probe {
        is_free: row.try_get("free")?,
        is_writable: row.try_get("writable")?,
        found: joined_record(&row)?,
        has_failed: row.try_get("has_failed")?,
    };
    let attempt = OpenAttempt {
        guard,
        users: users(row.try_get("session_user")?, row.try_get("role")?),
        statement_timeout: row.try_get("statement_timeout")?,
        backend: row.try_get("backend")?,
        between: String::new(),
    };
    Ok((attempt, probe))
}

/// The first message: begins, limits the time, tries the lock and sets the guard.
///
/// The isolation must be set first. The lock is taken before the guard, so that a rollback to the guard
/// keeps it.
fn begin(opening: &Opening<'_>, guard: &str) -> String {
    let isolation = match opening.isolation {
        Isolation::Default => "",
        Isolation::ReadCommitted => " isolation level read committed",
        Isolation::Serializable => " isolation level serializable",
    };
    // Idem itself stops a handler's statement. This limit is for when its request does not arrive.
    let statement = millis(opening.timeout).saturating_add(1_000);
    // The handler may leave the session idle for its whole time. This limit is for clients that are gone.
    let idle = millis(opening.timeout).saturating_add(5_000);
    let mut text = format!("begin{isolation};");
    for (setting, limit) in [
        ("statement_timeout", statement),
        ("idle_in_transaction_session_timeout", idle),
    ] {
        // A shorter limit of the application stays.
        text.push_str(&format!(
            " select set_config('{setting}', '{limit}', true) where extract(epoch from \
             current_setting('{setting}')::interval) * 1000 not between 1 and {limit};"
        ));
    }
    // The server keeps the probe's plan. A plan made while the table is empty would scan it for ever,
    // however large it grows. So the probe is planned with sequential scans off, and turns them on.
    text.push_str(
        " select set_config('idem.seqscan', current_setting('enable_seqscan'), true), \
         set_config('enable_seqscan', 'off', true)",
    );
    if let Some(name) = opening.name {
        let lock = name.lock_id();
        text.push_str(&format!(
            ", set_config('idem.free', pg_try_advisory_xact_lock({lock})::text, true)"
        ));
    }
    text.push_str(&format!("; savepoint {guard}"));
    text
}

/// The probe's text, with the expression that tells whether a message's earlier attempts are counted.
///
/// Only a message pays for the second lookup: a request has no dead letter. Both texts are constants,
/// since the text is what the cache of named statements is keyed by.
///
/// The probe is planned with sequential scans off and turns them on for the handler. It also reads what
/// must be restored before the record is stored: the users, and `statement_timeout` as it is now. The
/// process id is for a later cancel.
macro_rules! probe_with {
    ($has_failed:literal) => {
        concat!(
            "select set_config('enable_seqscan', current_setting('idem.seqscan'), true), ",
            "coalesce(current_setting('idem.free', true), '') <> 'false' as free, ",
            "current_setting('transaction_read_only') = 'off' as writable, ",
            $has_failed,
            " as has_failed, session_user::text as session_user, current_setting('role') as role, ",
            "current_setting('statement_timeout') as statement_timeout, ",
            "pg_backend_pid() as backend, r.format, r.fingerprint_version, r.fingerprint, ",
            "r.status, r.headers, r.body, r.reference, ",
            "r.expires_at <= statement_timestamp() as expired, ",
            "(extract(epoch from statement_timestamp() - r.created_at) * 1000)::bigint as age ",
            "from (select) as one left join idem.record r ",
            "on r.scope = $1 and r.operation = $2 and r.key = $3",
        )
    };
}

/// The second message: reads the session's settings and the record. It takes scope, operation and key.
fn probe(opening: &Opening<'_>) -> &'static str {
    let is_message = opening
        .name
        .is_some_and(|name| name.operation.is_of_consumer());
    if is_message {
        probe_with!(
            "exists(select from idem.dead_letter d \
               where d.scope = $1 and d.operation = $2 and d.key = $3)"
        )
    } else {
        probe_with!("false")
    }
}

/// The statements that set the session's user and role to those it came with.
///
/// They set both for the session, because a handler's `SET ROLE` outlives the COMMIT. Any role may go
/// back to the user that has logged in.
fn users(session_user: &str, role: &str) -> String {
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let role = match role {
        "none" => "none".to_owned(),
        name => quoted(name),
    };
    let session_user = quoted(session_user);
    // In this order: the first statement resets the role.
    format!("set session authorization {session_user}; set role {role}")
}
