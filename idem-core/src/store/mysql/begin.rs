//! The messages that begin an attempt on MariaDB or MySQL.
//!
//! There are two messages. The probe runs before any transaction, the second begins it, and a
//! duplicate never sends the second.
//!
//! The order of the probe's statements:
//!
//! 1. ROLLBACK, before `autocommit = 1`: to turn it on commits what is open (manual, "autocommit").
//! 2. `set` keeps the session's settings in variables named `@idem_…` and sets the attempt's own.
//! 3. The first `select` takes the lock and reads the session, in exactly one row.
//! 4. The second `select` reads the record. With `autocommit = 1` it has a snapshot of its own,
//!    which begins after the lock.
//! 5. Where the operation refuses late retries, a third one asks whether the key is refused. Its one
//!    snapshot shows the expired record or the tombstone that a sweep has made of it.

use sqlx::mysql::{MySqlConnection, MySqlTransactionManager};
use sqlx::{AssertSqlSafe, FromRow, Row, SqlSafeStr};
use sqlx_core::transaction::TransactionManager;

use super::limits::{SESSION_LIMITS, STATEMENT_LIMIT, limits, seconds};
use super::name::{TRY_LOCK, is, lock};
use super::open_attempt::OpenAttempt;
use super::records::{self, find_committed, select, select_refused};
use super::statement::{READ_COMMITTED, ROLLBACK, WRITABLE};
use crate::model::policy::Isolation;
use crate::store::records::{Opening, Probe, StoredRecord};

/// Begins a transaction as an application does.
pub(super) fn begin_statement(isolation: Isolation) -> &'static str {
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
///
/// A session at read uncommitted may have read a record that never commits, or may not have read one whose
/// deletion never does. So the record, and whether its key is refused, is read again at read committed. The
/// lock is held by then. A lock that was taken for a duplicate is not released here: the caller rolls back,
/// and that restores the session too.
pub(super) async fn open(
    conn: &mut MySqlConnection,
    opening: &Opening<'_>,
) -> sqlx::Result<(OpenAttempt, Probe)> {
    let rows = sqlx::raw_sql(AssertSqlSafe(probe_text(opening)))
        .fetch_all(&mut *conn)
        .await?;
    // One row of the session, one of the record if it exists, and one about the tombstone if asked for.
    let (rows, is_refused) = match (opening.refuses_late, rows.split_last()) {
        (true, Some((refused, rows))) => (rows, refused.try_get("refused")?),
        _ => (rows.as_slice(), false),
    };
    let session = rows.first().ok_or(sqlx::Error::RowNotFound)?;
    let mut probe = Probe {
        is_free: session.try_get("free")?,
        is_writable: session.try_get("writable")?,
        found: rows.get(1).map(StoredRecord::from_row).transpose()?,
        has_failed: session.try_get("has_failed")?,
        is_refused,
    };
    let attempt = OpenAttempt {
        guard: format!("idem_{}", opening.attempt.simple()),
        database: session.try_get("db")?,
        connection: session.try_get("connection")?,
        timeout: opening.timeout,
        isolation: opening.isolation,
        has_failed: probe.has_failed,
        commits_alone: session.try_get("commits_alone")?,
        in_group: match session.try_get::<Option<i64>, _>("in_group")? {
            Some(found) => found > 0,
            None => is_in_group(conn).await?,
        },
        locked: opening.name.is_some(),
        locks: Vec::new(),
    };
    if let (Some(name), true) = (opening.name, session.try_get("dirty")?) {
        let find = AssertSqlSafe(find_committed(name));
        let row = sqlx::raw_sql(find).fetch_optional(&mut *conn).await?;
        probe.found = row.as_ref().map(StoredRecord::from_row).transpose()?;
        probe.is_refused = opening.refuses_late && records::is_refused(conn, name).await?;
    }
    // A replay or a duplicate needs no transaction.
    if !opening.if_it_may_run || probe.may_run() {
        let begin = AssertSqlSafe(begin_text(&attempt));
        MySqlTransactionManager::begin(conn, Some(begin.into_sql_str())).await?;
    }
    Ok((attempt, probe))
}

/// Asks a session of MySQL once whether its server has Group Replication.
async fn is_in_group(conn: &mut MySqlConnection) -> sqlx::Result<bool> {
    // All results, so that nothing is left to read.
    let rows = sqlx::raw_sql(ASK_FOR_GROUP).fetch_all(conn).await?;
    let row = rows.first().ok_or(sqlx::Error::RowNotFound)?;
    row.try_get::<i64, _>(0).map(|found| found > 0)
}

/// Limits the session's time, tries the lock and reads the record, before any transaction.
///
/// The record is read by a statement of its own, after the lock is taken: so it sees what the lock's
/// last holder has committed. Inside the transaction it would fix the handler's snapshot and, where
/// that is serializable, lock the gap that others insert into.
///
/// The session may come from the pool with a transaction open, if only for its snapshot, or with
/// `set transaction` for the next one. A rollback ends both first: nothing of it was committed, and
/// its snapshot does not show what others have committed since.
///
/// `max_error_count` makes the session remember errors: `show errors` tells that a deadlock has rolled
/// the transaction back. A handler that sets it to 0 hides that. MySQL lets only privileged accounts set
/// it, so Idem leaves it there as it is: 1024 by default.
///
/// The message has few statements, because the server sends each result in a packet of its own.
fn probe_text(opening: &Opening<'_>) -> String {
    let limits = limits(opening.timeout, &SESSION_LIMITS);
    // The handler may leave the session idle for its whole time. This limit is for clients that are gone.
    let idle = seconds(opening.timeout).saturating_add(5);
    let (lock, free, mut record) = match opening.name {
        None => ("null".to_owned(), "1", String::new()),
        Some(name) => (lock(name), TRY_LOCK, format!("; {}", select(name))),
    };
    if let (Some(name), true) = (opening.name, opening.refuses_late) {
        record = format!("{record}; {}", select_refused(name));
    }
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
        "{ROLLBACK}; set @idem_lock = {lock}, @idem_autocommit = @@autocommit, \
         @idem_idle = @@wait_timeout, @idem_metadata_wait = @@lock_wait_timeout, \
         @idem_row_wait = @@innodb_lock_wait_timeout, @idem_statement = {STATEMENT_LIMIT}, \
         {ASK_FOR_CLUSTER}{REMEMBER_ERRORS}autocommit = 1, \
         {limits}, wait_timeout = cast(least(@@wait_timeout, {idle}) as unsigned); \
         select {free} as free, {WRITABLE} as writable, {READS_UNCOMMITTED} as dirty, database() as db, \
         connection_id() as connection, {has_failed} as has_failed, \
         {COMMITS_ALONE} as commits_alone, {IN_GROUP} as in_group limit 1{record}"
    )
}

/// Begins the transaction, where none is open.
///
/// The isolation is set for the next transaction alone, between `autocommit = 0` and `start
/// transaction`, where none is open: inside of one the server refuses it with error 1568.
///
/// `autocommit` is off: so what a handler writes after the server has rolled the transaction back is
/// not committed either.
pub(super) fn begin_text(attempt: &OpenAttempt) -> String {
    let isolation = match attempt.isolation {
        Isolation::Default => "",
        Isolation::ReadCommitted => READ_COMMITTED,
        Isolation::Serializable => "set transaction isolation level serializable; ",
    };
    format!("set autocommit = 0; {isolation}{}", attempt.start_text())
}

/// Whether the session's isolation shows what may never commit.
const READS_UNCOMMITTED: &str =
    "/*M!100000 @@tx_isolation *//*!80000 @@transaction_isolation */ = 'READ-UNCOMMITTED'";

/// At least as many as MariaDB's default.
const REMEMBER_ERRORS: &str = "/*M!100000 @idem_errors = @@max_error_count, \
    max_error_count = cast(greatest(@@max_error_count, 64) as unsigned), */";

/// Asks once per session whether the server is a node of Galera. A server that was built without it has
/// no such variable, and an unknown one would be an error.
const ASK_FOR_CLUSTER: &str = "/*M!100000 @idem_cluster = ifnull(@idem_cluster, \
    ifnull((select variable_value <> 'OFF' from information_schema.global_variables \
        where variable_name = 'WSREP_ON'), 0)), */";

/// Whether COMMIT must be the only statement of its message: else Galera acknowledges one that it refuses.
const COMMITS_ALONE: &str = "/*M!100000 @idem_cluster <> 0 *//*!80000 \
    @@version_comment regexp 'wsrep|cluster' */";

/// Whether another member of Group Replication may end the attempt's transaction. NULL: nobody has asked.
const IN_GROUP: &str = "/*M!100000 0 *//*!80000 cast(@idem_group as signed) */";

/// Its table is too slow to be named by every attempt. Without Group Replication there is no such variable.
const ASK_FOR_GROUP: &str = "set @idem_group = (select count(*) \
    from performance_schema.global_variables where variable_name = 'group_replication_group_name'); \
    select cast(@idem_group as signed) limit 1";
