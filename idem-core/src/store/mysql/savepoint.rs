//! Statements about savepoints, after which the whole transaction may turn out to be rolled back.

use futures_util::TryStreamExt;
use sqlx::mysql::MySqlConnection;
use sqlx::{AssertSqlSafe, Either, Row};

use super::error::fault;
use crate::store::fault::Fault;

/// What became of statements about savepoints.
pub(super) enum SavepointOutcome {
    Done,
    /// The server had rolled the whole transaction back, with its savepoints.
    RolledBackBefore,
}

/// The server rolls a deadlock's victim back as a whole, the savepoints with it. Only the error
/// of the last statement tells that from a handler's own COMMIT.
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
        Err(error) if fault(&error) == Fault::GuardLost => match last_error {
            Some(number) if rolls_everything_back(conn, number).await? => {
                Ok(SavepointOutcome::RolledBackBefore)
            }
            _ => Err(error),
        },
        done => done,
    }
}

/// Whether the server rolls back the transaction after this error, and not only the statement.
async fn rolls_everything_back(conn: &mut MySqlConnection, number: u32) -> sqlx::Result<bool> {
    match number {
        1206 | 1213 | 1020 | 1180 | 3101 => Ok(true),
        // Else a statement that commits by itself has waited for a lock after it had committed.
        1205 => {
            let set = "select cast(@@innodb_rollback_on_timeout as signed) as everything limit 1";
            let row = sqlx::raw_sql(set).fetch_one(conn).await?;
            row.try_get("everything")
        }
        _ => Ok(false),
    }
}
