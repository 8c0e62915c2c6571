//! The meaning of PostgreSQL's error codes.
//!
//! <https://www.postgresql.org/docs/current/errcodes-appendix.html>
//!
//! SQLSTATEs are stable across versions and languages; texts are not. Whole classes are listed where each
//! code of the class means the same, single codes where they differ.
//!
//! * Class 57 is split. 57014 is a statement that was stopped, which the transaction survives as a failed
//!   one. `57P…` is a server that shuts down: the connection is gone, and a COMMIT may have been written.
//! * 55P03 is `lock_timeout`, or `nowait`.
//! * 40003 is "statement completion unknown": the standard's own name for [`Fault::Unknown`].
//! * IDM01 to IDM04 are Idem's own: `merged` says what it refuses by them.
//! * 25006, a read-only transaction, falls under `Failed`: a retry may reach the primary.

use std::borrow::Cow;

use sqlx::Postgres;

use crate::store::fault::{Fault, Faults};

/// The SQLSTATE of an error of the server.
pub(super) fn code(error: &sqlx::Error) -> Option<Cow<'_, str>> {
    match error {
        sqlx::Error::Database(error) => Some(error.code().unwrap_or_default()),
        _ => None,
    }
}

impl Faults for Postgres {
    fn fault(error: &sqlx::Error) -> Fault {
        fault(error)
    }

    /// An internal error says nothing: as one, Citus reports that a worker has not acknowledged the COMMIT of
    /// its shard, which may have succeeded there.
    fn commit_fault(error: &sqlx::Error) -> Fault {
        match code(error).as_deref() {
            Some("XX000") => Fault::Unknown,
            _ => fault(error),
        }
    }
}

/// Classifies an error by its SQLSTATE.
pub(super) fn fault(error: &sqlx::Error) -> Fault {
    let Some(code) = code(error) else {
        return Fault::Unknown;
    };
    match code.as_ref() {
        // A serialization failure, a deadlock, a wait for a lock or a statement that was stopped.
        "40001" | "40P01" | "55P03" | "57014" => Fault::Collision,
        // A statement's name does not hold, and is not used again.
        "26000" | "42P05" => Fault::Collision,
        "25P02" => Fault::Aborted,
        // No such savepoint; no transaction at all; another one than the claim's.
        "3B001" | "25P01" | "IDM04" => Fault::GuardLost,
        // Storing, in the message of COMMIT.
        "IDM02" => Fault::Exists,
        // Completion unknown, connection exceptions, shutdowns: a COMMIT may have succeeded.
        "40003" => Fault::Unknown,
        code if code.starts_with("08") || code.starts_with("57P") => Fault::Unknown,
        // The statement is at fault: its data, a constraint, a view's check, an exception that a
        // function raised, a missing privilege, a limit.
        code if ["22", "23", "27", "42", "44", "54", "P0"]
            .iter()
            .any(|class| code.starts_with(class)) =>
        {
            Fault::Refused
        }
        _ => Fault::Failed,
    }
}

/// Whether the server does not know a statement's name, or knows it already: the server connection is
/// another one than before, or a handler has run `deallocate all`.
///
/// 26000 is an unknown name, 42P05 a name that exists. Both reach the application too if its own
/// statements are named behind a pooler; the documentation of [`Tx`](crate::Tx) tells the cure.
pub(super) fn is_about_names(error: &sqlx::Error) -> bool {
    // The last one: another statement of that name has other parameters.
    matches!(code(error).as_deref(), Some("26000" | "42P05" | "08P01"))
}
