//! The messages of several statements that an attempt on MariaDB or MySQL consists of.
//!
//! Names of records stand in them as hexadecimal literals. Comments that begin with `/*M!` are
//! read by MariaDB alone, those with `/*!80000` by MySQL alone.

use std::time::Duration;

use uuid::Uuid;

use super::Opened;
use super::name::{hex, is, lock, lock_of, table};
use crate::store::{Opening, millis};
use crate::{Isolation, RecordName};

/// Bounds the session's time, tries the lock and reads the record, before any transaction.
///
/// A statement of its own that begins after the lock is taken sees what the lock's last holder
/// has committed. Inside of a transaction it would fix the handler's snapshot, and where that is
/// serializable lock the gap that others insert into.
///
/// The session may come from its last user with a transaction open, perhaps a snapshot alone, or
/// with `set transaction` for the next one. All of that ends first: nothing of it was committed,
/// and a record that has been committed since is not seen in it.
///
/// It is to remember errors: `show errors` is what tells a deadlock's victim. What a handler sets
/// itself stays, and hides it.
///
/// As few statements as can be: the server sends the result of each by itself.
pub(super) fn probe(opening: &Opening<'_>) -> String {
    let limits = limits(opening.timeout, &OF_SESSION);
    // The handler may be idle for its whole time; this is for clients that are gone.
    let idle = seconds(opening.timeout).saturating_add(5);
    let (lock, free, record) = match opening.name {
        None => ("null".to_owned(), "1", String::new()),
        Some(name) => (lock(name), TRY_LOCK, format!("; {}", select(name))),
    };
    let has_failed = match opening.name {
        Some(name) if name.operation.is_of_consumer() => {
            format!(
                "exists(select 1 from idem_dead_letter as r where {})",
                is(name)
            )
        }
        _ => "0".to_owned(),
    };
    format!(
        "{AFRESH}; set @idem_lock = {lock}, @idem_autocommit = @@autocommit, \
         @idem_idle = @@wait_timeout, @idem_metadata_wait = @@lock_wait_timeout, \
         @idem_row_wait = @@innodb_lock_wait_timeout, @idem_statement = {STATEMENT_LIMIT}, \
         @idem_errors = @@max_error_count, autocommit = 1, \
         max_error_count = cast(greatest(@@max_error_count, 64) as unsigned), \
         {limits}, wait_timeout = cast(least(@@wait_timeout, {idle}) as unsigned); \
         select {free} as free, {WRITABLE} as writable, {DIRTY} as dirty, database() as db, \
         connection_id() as connection, {has_failed} as has_failed limit 1{record}"
    )
}

/// The same record, by a session whose isolation shows what may never commit.
pub(super) fn find_committed(name: &RecordName) -> String {
    format!("{COMMITTED}{}", select(name))
}

/// As it is now, on a connection whose state is not known, which is left without a snapshot.
pub(super) fn find(name: &RecordName) -> String {
    format!("{AFRESH}; {COMMITTED}{}; {AFRESH}", select(name))
}

/// As a transaction sees it that is open.
///
/// A session may be set to give fewer rows to whoever does not say how many.
pub(super) fn select(name: &RecordName) -> String {
    format!(
        "select r.format, r.fingerprint_version, r.fingerprint, r.status, r.headers, r.body, \
         r.reference, r.expires_at <= utc_timestamp(6) as expired, \
         timestampdiff(microsecond, r.created_at, utc_timestamp(6)) div 1000 as age \
         from idem_record as r where {} limit 1",
        is(name)
    )
}

/// With `autocommit` off, what follows a transaction that the server has rolled back is not kept
/// either. None is open before.
pub(super) fn begin(isolation: Isolation, guard: &str) -> String {
    let isolation = match isolation {
        Isolation::Default => "",
        Isolation::ReadCommitted => COMMITTED,
        Isolation::Serializable => "set transaction isolation level serializable; ",
    };
    format!("set autocommit = 0; {isolation}start transaction; savepoint {guard}")
}

/// The same after the server has rolled everything back.
pub(super) fn begin_anew(guard: &str) -> String {
    format!("{AFRESH}; start transaction; savepoint {guard}")
}

/// A handler may have gone to another database or set itself shorter limits.
///
/// The server takes no empty statement, so nothing follows the last one.
pub(super) fn release_guard(opened: &Opened, around: &str) -> String {
    let text = format!(
        "{around} {}set {}; release savepoint {}; {around}",
        go_to_database(opened),
        limits(opened.timeout, &SAVED),
        opened.guard
    );
    text.trim().trim_end_matches(';').to_owned()
}

/// Gives back the lock and the session as it was.
pub(super) fn put_back(opened: &Opened) -> String {
    let unlock = if opened.locked {
        "@idem_lock = release_lock(@idem_lock), "
    } else {
        ""
    };
    let unlock_all = match opened.locks.as_slice() {
        [] => String::new(),
        locks => {
            let locks = locks.iter().map(|lock| lock_of(&format!("'{lock}'")));
            let unlock = locks.map(|lock| format!("release_lock({lock})"));
            format!("do {}; ", unlock.collect::<Vec<_>>().join(", "))
        }
    };
    format!(
        "{unlock_all}set {unlock}autocommit = @idem_autocommit, wait_timeout = @idem_idle, \
         max_error_count = @idem_errors, lock_wait_timeout = @idem_metadata_wait, \
         innodb_lock_wait_timeout = @idem_row_wait, \
         /*M!100000 max_statement_time *//*!80000 max_execution_time */ = @idem_statement"
    )
}

/// Frees the key before anybody is told.
pub(super) fn roll_back(opened: &Opened) -> String {
    format!("{AFRESH}; {}{}", go_to_database(opened), put_back(opened))
}

/// Tries the locks of many messages, then reads their records: rows for the one, then the other.
///
/// As for one, the records are read before the transaction that the handlers see: in one that may
/// read what never commits, or locks the gaps that others insert into, nothing is read of them.
pub(super) fn claim_all(opened: &Opened, names: &[&RecordName]) -> String {
    let numbered = opened.locks.iter().enumerate();
    let tried = numbered.map(|(number, lock)| format!("select {number} as number, '{lock}' as id"));
    format!(
        "select l.number, coalesce(get_lock({}, 0), 0) as free from ({}) as l limit {}; \
         {AFRESH}; {COMMITTED}select n.number, exists(select 1 from idem_dead_letter as d where d.scope = n.scope \
           and d.operation = n.operation and d.`key` = n.`key`) as has_failed, \
         r.format, r.fingerprint_version, r.fingerprint, r.status, r.headers, r.body, \
         r.reference, r.expires_at <= utc_timestamp(6) as expired, \
         timestampdiff(microsecond, r.created_at, utc_timestamp(6)) div 1000 as age \
         from ({}) as n left join idem_record as r \
         on r.scope = n.scope and r.operation = n.operation and r.`key` = n.`key` limit {}; \
         {AFRESH}; {}",
        lock_of("l.id"),
        tried.collect::<Vec<_>>().join(" union all "),
        names.len(),
        table(names),
        names.len(),
        begin(opened.isolation, &opened.guard)
    )
}

/// Of these names alone, and without a lock on what is not there.
pub(super) fn delete_expired(names: &[&RecordName]) -> String {
    format!(
        "/*M!100000 set statement sql_safe_updates = 0 for */ delete r from ({}) as n \
         straight_join idem_record as r on r.scope = n.scope and r.operation = n.operation \
         and r.`key` = n.`key` where r.expires_at <= utc_timestamp(6)",
        table(names)
    )
}

/// Whether the attempt's record is there, and whether its session is gone.
///
/// The lock is taken before the record is read, and given back in the same message. As
/// [`find`], it leaves no snapshot.
pub(super) fn outcome(name: &RecordName, attempt: Uuid) -> String {
    format!(
        "{AFRESH}; set @idem_lock = {}; set @idem_free = {TRY_LOCK}; \
         {COMMITTED}select @idem_free as free, exists(select 1 from idem_record as r \
         where {} and r.attempt = {}) as committed limit 1; {UNLOCK}; {AFRESH}",
        lock(name),
        is(name),
        hex(attempt.as_bytes())
    )
}

/// What to set the limits to: the least of an attempt's own and of these.
///
/// MySQL takes the least of two whole numbers for a whole number only when it is told.
fn limits(timeout: Duration, [metadata, row, mariadb, mysql]: &[&str; 4]) -> String {
    // Idem stops a handler's statement itself; this is for when its word does not arrive.
    let limit = seconds(timeout).saturating_add(1);
    let milliseconds = millis(Duration::from_secs(limit));
    format!(
        "lock_wait_timeout = cast(least({metadata}, {limit}) as unsigned), \
         innodb_lock_wait_timeout = cast(least({row}, {limit}) as unsigned), \
         /*M!100000 max_statement_time = if({mariadb} > 0, least({mariadb}, {limit}), {limit}) */\
         /*!80000 max_execution_time = \
           cast(if({mysql} > 0, least({mysql}, {milliseconds}), {milliseconds}) as unsigned) */"
    )
}

const OF_SESSION: [&str; 4] = [
    "@@lock_wait_timeout",
    "@@innodb_lock_wait_timeout",
    "@@max_statement_time",
    "@@max_execution_time",
];

const SAVED: [&str; 4] = [
    "@idem_metadata_wait",
    "@idem_row_wait",
    "@idem_statement",
    "@idem_statement",
];

fn go_to_database(opened: &Opened) -> String {
    match &opened.database {
        Some(name) => format!("use `{}`; ", name.replace('`', "``")),
        None => String::new(),
    }
}

/// Rounded up: none at all would be no limit.
fn seconds(timeout: Duration) -> u64 {
    timeout.as_secs() + u64::from(timeout.subsec_nanos() > 0)
}

const TRY_LOCK: &str = "coalesce(get_lock(@idem_lock, 0), 0)";

const DIRTY: &str =
    "/*M!100000 @@tx_isolation *//*!80000 @@transaction_isolation */ = 'READ-UNCOMMITTED'";

/// Gives back the lock of [`outcome`].
pub(super) const UNLOCK: &str = "do release_lock(@idem_lock)";

/// Ends whatever is open without keeping it, even where the session would begin anew or be closed
/// with it (`completion_type`).
pub(super) const AFRESH: &str = "rollback and no chain no release";

/// For the next statement alone: a session's own isolation may read what never commits.
const COMMITTED: &str = "set transaction isolation level read committed; ";

/// MySQL bounds only statements that read, in milliseconds.
const STATEMENT_LIMIT: &str = "/*M!100000 @@max_statement_time *//*!80000 @@max_execution_time */";

/// Neither a replica nor a session that may only read. MariaDB and MySQL write flags differently.
const WRITABLE: &str = "cast(@@global.read_only as char) in ('0', 'OFF') \
    and @@innodb_read_only = 0 \
    and /*M!100000 @@tx_read_only *//*!80000 @@transaction_read_only */ = 0";
