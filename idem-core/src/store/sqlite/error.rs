//! The meaning of SQLite's result codes.
//!
//! <https://www.sqlite.org/rescode.html>
//!
//! The primary code decides, since new extended codes keep it. `SQLITE_ERROR` is generic. It is
//! read as a lost guard, which is right for statements about savepoints only; callers that send
//! others map it to an error after which everything is rolled back, as `error.rs` of this crate
//! does.

use sqlx::Sqlite;

use crate::store::fault::{Fault, Faults};

impl Faults for Sqlite {
    fn fault(error: &sqlx::Error) -> Fault {
        fault(error)
    }
}

/// Classifies an error by its result code.
pub(super) fn fault(error: &sqlx::Error) -> Fault {
    let code = match error {
        sqlx::Error::Database(error) => error.code().unwrap_or_default().parse().unwrap_or(0),
        _ => return Fault::Unknown,
    };
    // Extended codes carry the primary one in their low byte.
    let (primary, extended): (u32, u32) = (code & 0xff, code);
    match (primary, extended) {
        // SQLITE_BUSY, SQLITE_LOCKED.
        (5 | 6, _) => Fault::Collision,
        // SQLITE_ERROR: of the guard's statements only "no such savepoint" is left.
        (1, _) => Fault::GuardLost,
        // SQLITE_IOERR, SQLITE_CORRUPT, SQLITE_NOTADB.
        (10 | 11 | 26, _) => Fault::Unknown,
        // SQLITE_TOOBIG, SQLITE_CONSTRAINT, SQLITE_MISMATCH, SQLITE_AUTH.
        (18 | 19 | 20 | 23, _) => Fault::Refused,
        _ => Fault::Failed,
    }
}
