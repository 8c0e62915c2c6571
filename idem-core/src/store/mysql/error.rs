//! The meaning of MariaDB's and MySQL's error numbers.
//!
//! <https://mariadb.com/docs/server/reference/error-codes>,
//! <https://dev.mysql.com/doc/mysql-errors/en/server-error-reference.html>
//!
//! SQLSTATEs are too coarse here: HY000 stands for most of what matters. The numbers of both
//! servers are in one list.
//!
//! * 1205 is a wait for a lock that took too long. Only the statement is rolled back, unless the
//!   server is set otherwise; the attempt is given up all the same.
//! * 1020 is MariaDB's conflict under `innodb_snapshot_isolation`, and 3101 one of Group
//!   Replication.
//! * 1030 is an error of the storage engine. On a member of Group Replication it says that `InnoDB` does not
//!   know the guard any more, because another member has ended the transaction.
//! * 1290 is a server that has become read-only, as a primary does that is replaced: another one takes the retry.
//! * 1047 is a Galera node that has lost its cluster: it accepts nothing, and another node may.
//! * 1180 is an error during COMMIT, after which the outcome must be looked up. So is 3100: a member of
//!   Group Replication has lost the others while it waited for them, and they may have the transaction.
//! * What is no error of the server, such as a closed socket, is [`Fault::Unknown`].

use sqlx::MySql;
use sqlx::mysql::MySqlDatabaseError;

use crate::store::fault::{Fault, Faults};

/// A row with the same unique key exists.
pub(super) const DUPLICATE_KEY: u16 = 1062;

/// There is no session of this number.
pub(super) const NO_SUCH_THREAD: u16 = 1094;

/// A statement took longer than `max_statement_time`, and is undone.
pub(super) const STATEMENT_TIMED_OUT: u16 = 1969;

/// The number of an error of the server.
pub(super) fn number(error: &sqlx::Error) -> Option<u16> {
    let error = error.as_database_error()?;
    let error = error.try_downcast_ref::<MySqlDatabaseError>()?;
    Some(error.number())
}

impl Faults for MySql {
    fn fault(error: &sqlx::Error) -> Fault {
        fault(error)
    }
}

/// Classifies an error by its number.
pub(super) fn fault(error: &sqlx::Error) -> Fault {
    let Some(number) = number(error) else {
        return Fault::Unknown;
    };
    match number {
        // A deadlock, a timeout of a lock wait or of a statement, a killed statement, a conflict between
        // nodes (Galera, Group Replication), a node that is cut off from its cluster, a read-only server.
        1205 | 1206 | 1213 | 1020 | 1030 | 1290 | 1317 | 1969 | 3024 | 3101 | 1047 => {
            Fault::Collision
        }
        // No such savepoint.
        1305 => Fault::GuardLost,
        // An error during COMMIT, a group without a majority, a shutdown, a killed or broken connection.
        1180 | 3100 | 1053 | 1927 | 3169 | 4031 | 1152 | 1154..=1161 | 1184 => Fault::Unknown,
        // No memory, no disk space, a full table, a read-only transaction, an exceeded limit.
        1021 | 1037 | 1038 | 1041 | 1040 | 1114 | 1203 | 1226 | 1792 | 1836 => Fault::Failed,
        _ => Fault::Refused,
    }
}
