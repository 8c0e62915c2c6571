//! What the numbers of MariaDB's and MySQL's errors mean.
//!
//! <https://mariadb.com/docs/server/reference/error-codes>,
//! <https://dev.mysql.com/doc/mysql-errors/en/server-error-reference.html>

use futures_util::TryStreamExt;
use sqlx::mysql::{MySqlConnection, MySqlDatabaseError};
use sqlx::{AssertSqlSafe, Either, Row};

use super::flag;
use crate::store::Fault;

pub(super) const DUPLICATE_KEY: u16 = 1062;

pub(super) fn number(error: &sqlx::Error) -> Option<u16> {
    let error = error.as_database_error()?;
    let error = error.try_downcast_ref::<MySqlDatabaseError>()?;
    Some(error.number())
}

pub(super) fn of(error: &sqlx::Error) -> Fault {
    let Some(number) = number(error) else {
        return Fault::Unknown;
    };
    match number {
        // Deadlock, lock wait and statement timeouts, a killed statement, a conflict between
        // nodes (Galera, Group Replication), a node that is cut off from its cluster.
        1205 | 1206 | 1213 | 1020 | 1317 | 1969 | 3024 | 3101 | 1047 => Fault::Collision,
        // No such savepoint.
        1305 => Fault::GuardLost,
        // An error during COMMIT, a shutdown, a killed or broken connection.
        1180 | 1053 | 1927 | 3169 | 4031 | 1152 | 1154..=1161 | 1184 => Fault::Unknown,
        // No memory, no disk, a full table, a server that may not write, too many of something.
        1021 | 1030 | 1037 | 1038 | 1041 | 1040 | 1114 | 1203 | 1226 | 1290 | 1792 | 1836 => {
            Fault::Failed
        }
        _ => Fault::Refused,
    }
}

/// What became of statements about savepoints.
pub(super) enum Ran {
    Done,
    /// The server had rolled the whole transaction back, with its savepoints.
    RolledBackBefore,
}

/// The server rolls a deadlock's victim back as a whole, the savepoints with it. Only the error
/// of the last statement tells that from a handler's own COMMIT.
pub(super) async fn run_unless_rolled_back(
    conn: &mut MySqlConnection,
    text: &str,
) -> sqlx::Result<Ran> {
    let text = AssertSqlSafe(format!("show errors; {text}"));
    let mut last_error = None;
    let mut results = sqlx::raw_sql(text).fetch_many(&mut *conn);
    let done = loop {
        match results.try_next().await {
            Ok(Some(Either::Right(row))) => last_error = Some(row.try_get("Code")?),
            Ok(Some(Either::Left(_))) => {}
            Ok(None) => break Ok(Ran::Done),
            Err(error) => break Err(error),
        }
    };
    drop(results);
    match done {
        Err(error) if of(&error) == Fault::GuardLost => match last_error {
            Some(number) if rolls_everything_back(conn, number).await? => Ok(Ran::RolledBackBefore),
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
            flag(&sqlx::raw_sql(set).fetch_one(conn).await?, "everything")
        }
        _ => Ok(false),
    }
}
