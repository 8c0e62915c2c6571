//! How the names of records and of their locks stand in statements of MariaDB and MySQL.

use crate::model::record::RecordName;

/// Whether a row `r` is of this name.
pub(super) fn is(name: &RecordName) -> String {
    format!(
        "r.scope = {} and r.operation = {} and r.`key` = {}",
        hex(name.scope.as_str().as_bytes()),
        hex(name.operation.as_str().as_bytes()),
        hex(name.key.as_str().as_bytes())
    )
}

/// Names as the rows of a table, numbered.
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

/// User-level locks span the server, so the database is part of their name.
///
/// The bytes of a literal depend on the session's character set, and those of the name must not.
pub(super) fn lock_of(id: &str) -> String {
    let text = format!("convert(concat(ifnull(database(), ''), '/', {id}) using utf8mb4)");
    format!("convert(concat('idem:', sha2({text}, 224)) using utf8mb4)")
}

/// A hexadecimal literal.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2 + 3);
    text.push_str("x'");
    for byte in bytes {
        text.push_str(&format!("{byte:02x}"));
    }
    text.push('\'');
    text
}

/// Tries the lock that `@idem_lock` names: 1 if it is this session's now, 0 if not.
pub(super) const TRY_LOCK: &str = "coalesce(get_lock(@idem_lock, 0), 0)";

/// Releases the lock that `@idem_lock` names.
pub(super) const UNLOCK: &str = "do release_lock(@idem_lock)";
