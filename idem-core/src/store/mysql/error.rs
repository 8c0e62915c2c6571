//! The meaning of MariaDB's and MySQL's error numbers.
//!
//! <https://mariadb.com/docs/server/reference/error-codes>,
//! <https://dev.mysql.com/doc/mysql-errors/en/server-error-reference.html>

use sqlx::mysql::MySqlDatabaseError;

use crate::store::fault::Fault;

/// A row with the same unique key exists.
pub(super) const DUPLICATE_KEY: u16 = 1062;

/// The number of an error of the server.
pub(super) fn number(error: &sqlx::Error) -> Option<u16> {
    let error = error.as_database_error()?;
    let error = error.try_downcast_ref::<MySqlDatabaseError>()?;
    Some(error.number())
}

/// Classifies an error by its number.
pub(super) fn fault(error: &sqlx::Error) -> Fault {
    let Some(number) = number(error) else {
        return Fault::Unknown;
    };
    match number {
        // A deadlock, a timeout of a lock wait or of a statement, a killed statement, a conflict between
        // nodes (Galera, Group Replication), a node that is cut off from its cluster.
        1205 | 1206 | 1213 | 1020 | 1317 | 1969 | 3024 | 3101 | 1047 => Fault::Collision,
        // No such savepoint.
        1305 => Fault::GuardLost,
        // An error during COMMIT, a shutdown, a killed or broken connection.
        1180 | 1053 | 1927 | 3169 | 4031 | 1152 | 1154..=1161 | 1184 => Fault::Unknown,
        // No memory, no disk space, a full table, a read-only server, an exceeded limit.
        1021 | 1030 | 1037 | 1038 | 1041 | 1040 | 1114 | 1203 | 1226 | 1290 | 1792 | 1836 => {
            Fault::Failed
        }
        _ => Fault::Refused,
    }
}
