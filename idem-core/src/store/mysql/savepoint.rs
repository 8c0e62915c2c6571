//! Statements about savepoints, which may find that the server has rolled back the whole transaction.
//!
//! `InnoDB` rolls back the whole transaction of a deadlock's victim, with its savepoints (manual,
//! "`InnoDB` Error Handling"). A handler's own COMMIT deletes the savepoints too. The two need
//! opposite treatment: after a deadlock nothing is left and a retry may run; after a COMMIT the
//! writes are durable and must never run again.
//!
//! `show errors` tells them apart. It returns the errors of the last statement, so it must be the
//! very first one after the handler, and it says nothing if the handler ran another statement after
//! the deadlock. Nothing said counts as a COMMIT: then no retry runs, which is the safe side.

use futures_util::TryStreamExt;
use sqlx::mysql::MySqlConnection;
use sqlx::{AssertSqlSafe, Either, Row};

use super::error::{fault, number};
use crate::store::fault::Fault;

/// The outcome of statements about savepoints.
pub(super) enum SavepointOutcome {
    Done,
    /// The server had rolled back the whole transaction before, so the savepoint does not exist.
    RolledBackBefore,
}

/// Runs statements about savepoints.
///
/// A deadlock rolls back the whole transaction, with its savepoints. Only the error of the last
/// statement tells that from a COMMIT by the handler.
pub(super) async fn run_unless_rolled_back(
    conn: &mut MySqlConnection,
    text: &str,
) -> sqlx::Result<SavepointOutcome> {
    let text = AssertSqlSafe(format!("show errors; {text}"));
    let mut last_error = None;
    let mut results = sqlx::raw_sql(text).fetch_many(&mut *conn);
    let done = loop {
        match results.try_next().await {
            Ok(Some(Either::Right(row))) => last_error = Some(row.try_get("Code")?),
            Ok(Some(Either::Left(_))) => {}
            Ok(None) => break Ok(SavepointOutcome::Done),
            Err(error) => break Err(error),
        }
    };
    drop(results);
    match done {
        Err(error) if number(&error) == Some(ENGINE_LOST_SAVEPOINT) => {
            Ok(SavepointOutcome::RolledBackBefore)
        }
        Err(error) if fault(&error) == Fault::GuardLost => match last_error {
            Some(number) if rolls_everything_back(conn, number).await? => {
                Ok(SavepointOutcome::RolledBackBefore)
            }
            _ => Err(error),
        },
        done => done,
    }
}

/// Whether this error makes the server roll back the transaction, and not only the statement.
async fn rolls_everything_back(conn: &mut MySqlConnection, number: u32) -> sqlx::Result<bool> {
    match number {
        1206 | 1213 | 1020 | 1180 | 3101 => Ok(true),
        // Else a statement that commits implicitly has waited for a lock after it had committed.
        1205 => {
            let set = "select cast(@@innodb_rollback_on_timeout as signed) as everything limit 1";
            let row = sqlx::raw_sql(set).fetch_one(conn).await?;
            row.try_get("everything")
        }
        _ => Ok(false),
    }
}

/// `InnoDB` does not know a savepoint that the session has: a COMMIT would have deleted it from both.
const ENGINE_LOST_SAVEPOINT: u16 = 1181;
