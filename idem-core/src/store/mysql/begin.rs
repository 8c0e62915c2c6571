//! The messages that begin an attempt on MariaDB or MySQL.

use sqlx::mysql::{MySqlConnection, MySqlTransactionManager};
use sqlx::{AssertSqlSafe, FromRow, Row, SqlSafeStr};
use sqlx_core::transaction::TransactionManager;

use super::limits::{OF_SESSION, STATEMENT_LIMIT, limits, seconds};
use super::name::{TRY_LOCK, is, lock};
use super::open_attempt::OpenAttempt;
use super::records::{find_committed, select};
use super::statement::{AFRESH, COMMITTED};
use crate::model::policy::Isolation;
use crate::store::records::{Opening, Probe, StoredRecord};

/// Begins a transaction as an application does.
pub(super) fn plain(isolation: Isolation) -> &'static str {
    match isolation {
        Isolation::Default => "start transaction",
        // Only between two transactions, and a session may come with one that is open.
        Isolation::ReadCommitted => {
            "rollback and no chain no release; \
             set transaction isolation level read committed; start transaction"
        }
        Isolation::Serializable => {
            "rollback and no chain no release; \
             set transaction isolation level serializable; start transaction"
        }
    }
}

/// Tries the lock and reads the record, then begins the transaction.
pub(super) async fn open(
    conn: &mut MySqlConnection,
    opening: &Opening<'_>,
) -> sqlx::Result<(OpenAttempt, Probe)> {
    let rows = sqlx::raw_sql(AssertSqlSafe(probe_text(opening)))
        .fetch_all(&mut *conn)
        .await?;
    // One of the session, and one of the record if there is one.
    let session = rows.first().ok_or(sqlx::Error::RowNotFound)?;
    let mut probe = Probe {
        free: session.try_get("free")?,
        writable: session.try_get("writable")?,
        found: rows.get(1).map(StoredRecord::from_row).transpose()?,
        has_failed: session.try_get("has_failed")?,
    };
    let opened = OpenAttempt {
        guard: format!("idem_{}", opening.attempt.simple()),
        database: session.try_get("db")?,
        connection: session.try_get("connection")?,
        timeout: opening.timeout,
        isolation: opening.isolation,
        locked: opening.name.is_some(),
        locks: Vec::new(),
    };
    if let (Some(name), true) = (opening.name, session.try_get("dirty")?) {
        let find = AssertSqlSafe(find_committed(name));
        let row = sqlx::raw_sql(find).fetch_optional(&mut *conn).await?;
        probe.found = row.as_ref().map(StoredRecord::from_row).transpose()?;
    }
    // A replay or a duplicate needs no transaction.
    if !opening.if_it_may_run || probe.may_run() {
        let begin = AssertSqlSafe(begin_text(opening.isolation, &opened.guard));
        MySqlTransactionManager::begin(conn, Some(begin.into_sql_str())).await?;
    }
    Ok((opened, probe))
}

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
fn probe_text(opening: &Opening<'_>) -> String {
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

/// With `autocommit` off, what follows a transaction that the server has rolled back is not kept
/// either. None is open before.
pub(super) fn begin_text(isolation: Isolation, guard: &str) -> String {
    let isolation = match isolation {
        Isolation::Default => "",
        Isolation::ReadCommitted => COMMITTED,
        Isolation::Serializable => "set transaction isolation level serializable; ",
    };
    format!("set autocommit = 0; {isolation}start transaction; savepoint {guard}")
}

const DIRTY: &str =
    "/*M!100000 @@tx_isolation *//*!80000 @@transaction_isolation */ = 'READ-UNCOMMITTED'";

/// Neither a replica nor a session that may only read. MariaDB and MySQL write flags differently.
const WRITABLE: &str = "cast(@@global.read_only as char) in ('0', 'OFF') \
    and @@innodb_read_only = 0 \
    and /*M!100000 @@tx_read_only *//*!80000 @@transaction_read_only */ = 0";
