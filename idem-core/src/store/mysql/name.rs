//! The names of records and of their locks, written into statements of MariaDB and MySQL.
//!
//! The name of a lock has at most 64 characters on MySQL (manual, "Locking Functions"). `idem:` and
//! a SHA-224 in hex have 61, a SHA-256 would have 69. The digest covers the database's name and the
//! 64-bit id of the record's name, so two databases on one server do not meet, and a name of any
//! length fits.
//!
//! It is computed on the server, since the session's database is known only there. A handler's
//! `use` changes that, so the computed name is kept in `@idem_lock` and used again for the release.

use crate::model::record::RecordName;
use crate::store::hex::push_hex;

/// The condition that a row `r` has this name.
pub(super) fn is(name: &RecordName) -> String {
    format!(
        "r.scope = {} and r.operation = {} and r.`key` = {}",
        hex(name.scope.as_str().as_bytes()),
        hex(name.operation.as_str().as_bytes()),
        hex(name.key.as_str().as_bytes())
    )
}

/// A table of these names, with a number for each.
///
/// The numbers restore the order: a join of the server may return its rows in any.
pub(super) fn table(names: &[&RecordName]) -> String {
    let rows = names.iter().enumerate().map(|(number, name)| {
        format!(
            "select {number} as number, {} as scope, {} as operation, {} as `key`",
            hex(name.scope.as_str().as_bytes()),
            hex(name.operation.as_str().as_bytes()),
            hex(name.key.as_str().as_bytes())
        )
    });
    rows.collect::<Vec<_>>().join(" union all ")
}

/// The expression for the name of a record's lock.
pub(super) fn lock(name: &RecordName) -> String {
    lock_of(&format!("'{}'", name.lock_id()))
}

/// The expression for the name of a lock with this id.
///
/// User-level locks are the server's, so the database is part of the name. The conversions keep the name
/// the same in sessions of any character set.
pub(super) fn lock_of(id: &str) -> String {
    let text = format!("convert(concat(ifnull(database(), ''), '/', {id}) using utf8mb4)");
    format!("convert(concat('idem:', sha2({text}, 224)) using utf8mb4)")
}

/// A hexadecimal literal.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = "x'".to_owned();
    push_hex(&mut text, bytes);
    text.push('\'');
    text
}

/// Tries the lock that `@idem_lock` names: 1 if it is this session's now, 0 if not.
///
/// NULL is an error of the server, such as a lack of memory. It counts as taken: the attempt is
/// refused and its retry asks again.
pub(super) const TRY_LOCK: &str = "coalesce(get_lock(@idem_lock, 0), 0)";

/// Releases the lock that `@idem_lock` names.
pub(super) const UNLOCK: &str = "do release_lock(@idem_lock)";
