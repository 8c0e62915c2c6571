//! The statements that begin an attempt on SQLite.
//!
//! The begin is one text: `begin immediate`, the guard, and a deletion of no row, which fails on a
//! read-only file. The hooks are set after it and before the handler gets the connection. The
//! record is read last. The snapshot begins with the write lock, so it contains whatever was
//! committed before.
//!
//! Each statement is a hand-over to the connection's thread and back, so the fewer the better.

use std::sync::Arc;

use sqlx::sqlite::{SqliteConnection, SqliteTransactionManager};
use sqlx::{AssertSqlSafe, SqlSafeStr};
use sqlx_core::transaction::TransactionManager;

use super::dead_letters::is_counted;
use super::hooks::Hooks;
use super::open_attempt::OpenAttempt;
use super::records::{find, is_refused};
use crate::store::records::{Opening, Probe};

/// Begins the transaction as the one writer, sets the hooks and reads the record.
///
/// An observed attempt gets no hooks (`may_commit`): without enforcement a handler's COMMIT must
/// succeed as it would without Idem. Its hooks are then defaults that no connection looks at.
pub(super) async fn open(
    conn: &mut SqliteConnection,
    opening: &Opening<'_>,
) -> sqlx::Result<(OpenAttempt, Probe)> {
    let is_guarded = opening.may_undo || opening.may_commit;
    let guard = is_guarded.then(|| format!("idem_{}", opening.attempt.simple()));
    let savepoint = guard.as_ref().map(|guard| format!("savepoint {guard};"));
    // BEGIN IMMEDIATE succeeds on a read-only file; a statement that could write fails.
    let begin = format!(
        "begin immediate; {} delete from idem_record where false",
        savepoint.unwrap_or_default()
    );
    let begin = AssertSqlSafe(begin);
    SqliteTransactionManager::begin(conn, Some(begin.into_sql_str())).await?;
    let hooks = match opening.may_commit {
        false => Hooks::set(conn).await?,
        true => Arc::default(),
    };
    let found = match opening.name {
        Some(name) => find(conn, name).await?,
        None => None,
    };
    let has_failed = match opening.name {
        Some(name) if name.operation.is_of_consumer() => is_counted(conn, name).await?,
        _ => false,
    };
    let is_live = found.as_ref().is_some_and(|record| !record.expired);
    let is_refused = match opening.name {
        Some(name) if opening.refuses_late && !is_live => is_refused(conn, name).await?,
        _ => false,
    };
    let probe = Probe {
        is_free: true,
        is_writable: true,
        found,
        has_failed,
        is_refused,
    };
    Ok((OpenAttempt { guard, hooks }, probe))
}
