//! The statements for MariaDB and MySQL.
//!
//! `GET_LOCK` is the probe: it answers at once on both servers, and no row or gap is locked while
//! the handler runs. It belongs to the session, so it is given back when the transaction is over,
//! and a connection that cannot do that is closed. The primary key decides in the end.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::mysql::{MySqlConnection, MySqlRow};
use sqlx::{AssertSqlSafe, MySql, MySqlPool, Row, SqlSafeStr};
use sqlx_core::transaction::TransactionManager;
use uuid::Uuid;

use self::error::{DUPLICATE_KEY, Ran, number, run_unless_rolled_back};
use super::{Backend, CommitOutcome, Fault, NewRecord, Opening, Probe, StoredRecord, sealed};
use crate::{Completion, Isolation, RecordName};

mod admin;
mod batch;
mod dead_letters;
mod error;
mod maintenance;
mod message;
mod name;
mod rollout;
mod statement;

type Manager = <MySql as sqlx::Database>::TransactionManager;

/// The guard's name, and what of the session is restored or told to stop.
#[derive(Debug)]
pub struct Opened {
    guard: String,
    database: Option<String>,
    connection: u64,
    timeout: Duration,
    isolation: Isolation,
    locked: bool,
    /// Those of a batch of messages.
    locks: Vec<i64>,
}

impl sealed::Sealed for MySql {}

impl Backend for MySql {
    type Opened = Opened;

    const SINGLE_WRITER: bool = false;

    // Until sqlx > 0.9.0: a dropped query's PREPARE is not waited for, and the connection takes
    // its answer for another's.
    const KEEPS_STEP: bool = false;

    // A server that logs statements takes no write that is read committed, and the work is done
    // by then.
    const WITHOUT_TX: Isolation = Isolation::Default;

    fn plain_begin(isolation: Isolation) -> &'static str {
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

    fn open<'a>(
        conn: &'a mut MySqlConnection,
        opening: &'a Opening<'a>,
    ) -> BoxFuture<'a, sqlx::Result<(Opened, Probe)>> {
        Box::pin(async move {
            let rows = sqlx::raw_sql(AssertSqlSafe(message::probe(opening)))
                .fetch_all(&mut *conn)
                .await?;
            // One of the session, and one of the record if there is one.
            let session = rows.first().ok_or(sqlx::Error::RowNotFound)?;
            let mut probe = Probe {
                free: flag(session, "free")?,
                writable: flag(session, "writable")?,
                found: rows.get(1).map(stored).transpose()?,
                has_failed: flag(session, "has_failed")?,
            };
            let opened = Opened {
                guard: format!("idem_{}", opening.attempt.simple()),
                database: session.try_get("db")?,
                connection: session.try_get("connection")?,
                timeout: opening.timeout,
                isolation: opening.isolation,
                locked: opening.name.is_some(),
                locks: Vec::new(),
            };
            if let (Some(name), true) = (opening.name, flag(session, "dirty")?) {
                let find = AssertSqlSafe(message::find_committed(name));
                let row = sqlx::raw_sql(find).fetch_optional(&mut *conn).await?;
                probe.found = row.as_ref().map(stored).transpose()?;
            }
            // Who is only told or replayed needs no transaction.
            if !opening.if_it_may_run || probe.may_run() {
                let begin = AssertSqlSafe(message::begin(opening.isolation, &opened.guard));
                Manager::begin(conn, Some(begin.into_sql_str())).await?;
            }
            Ok((opened, probe))
        })
    }

    // The database's own lock is every process's.
    type ProcessLock = ();

    fn keep_processes_out<'a>(
        _: &'a mut MySqlConnection,
        _: &'a RecordName,
    ) -> BoxFuture<'a, sqlx::Result<Option<()>>> {
        Box::pin(async { Ok(Some(())) })
    }

    fn find<'a>(
        conn: &'a mut MySqlConnection,
        name: &'a RecordName,
    ) -> BoxFuture<'a, sqlx::Result<Option<StoredRecord>>> {
        Box::pin(async move {
            let text = match Manager::get_transaction_depth(conn) {
                0 => message::find(name),
                _ => message::select(name),
            };
            // To the end, so that no transaction is open when the connection goes back.
            let rows = sqlx::raw_sql(AssertSqlSafe(text)).fetch_all(conn).await?;
            rows.first().map(stored).transpose()
        })
    }

    fn release_guard<'a>(
        conn: &'a mut MySqlConnection,
        opened: &'a Opened,
        around: &'static str,
    ) -> BoxFuture<'a, sqlx::Result<()>> {
        run(conn, message::release_guard(opened, around))
    }

    fn roll_back_to_guard<'a>(
        conn: &'a mut MySqlConnection,
        opened: &'a Opened,
    ) -> BoxFuture<'a, sqlx::Result<()>> {
        Box::pin(async move {
            let text = format!("rollback to savepoint {}", opened.guard);
            match run_unless_rolled_back(conn, &text).await? {
                Ran::Done => Ok(()),
                Ran::RolledBackBefore => run(conn, message::begin_anew(&opened.guard)).await,
            }
        })
    }

    fn insert<'a>(
        conn: &'a mut MySqlConnection,
        record: &'a NewRecord<'a>,
    ) -> BoxFuture<'a, sqlx::Result<bool>> {
        Box::pin(async move {
            let (scope, operation, key) = (
                record.name.scope.as_str().as_bytes(),
                record.name.operation.as_str().as_bytes(),
                record.name.key.as_str().as_bytes(),
            );
            let (version, digest) = record.fingerprint.stored();
            // `insert ignore` would cut what is too long, `on duplicate key update` cannot ask
            // whether the row has expired (CLIENT_FOUND_ROWS counts it either way).
            let inserted = sqlx::query(
                "insert into idem_record (attempt, format, fingerprint_version, fingerprint, \
                   status, headers, `body`, reference, created_at, expires_at, \
                   scope, operation, `key`) \
                 values (?, ?, ?, ?, ?, ?, ?, ?, \
                   utc_timestamp(6), utc_timestamp(6) + interval ? microsecond, ?, ?, ?)",
            );
            let replaced = sqlx::query(
                "update idem_record set attempt = ?, format = ?, fingerprint_version = ?, \
                   fingerprint = ?, status = ?, headers = ?, `body` = ?, reference = ?, \
                   created_at = utc_timestamp(6), \
                   expires_at = utc_timestamp(6) + interval ? microsecond \
                 where scope = ? and operation = ? and `key` = ? \
                   and expires_at <= utc_timestamp(6)",
            );
            for statement in [inserted, replaced] {
                let done = statement
                    .bind(record.attempt)
                    .bind(super::FORMAT)
                    .bind(version)
                    .bind(digest)
                    .bind(i16::try_from(record.completion.status).unwrap_or(i16::MAX))
                    .bind(&record.completion.headers)
                    .bind(&record.completion.body)
                    .bind(record.completion.reference.as_deref())
                    .bind(i64::try_from(record.ttl.as_micros()).unwrap_or(i64::MAX))
                    .bind(scope)
                    .bind(operation)
                    .bind(key)
                    .execute(&mut *conn)
                    .await;
                match done {
                    Err(error) if number(&error) == Some(DUPLICATE_KEY) => {}
                    done => return Ok(done?.rows_affected() == 1),
                }
            }
            Ok(false)
        })
    }

    fn limit_lock_waits(
        conn: &mut MySqlConnection,
        is_limited: bool,
    ) -> BoxFuture<'_, sqlx::Result<()>> {
        let text = match is_limited {
            true => {
                "set @idem_lock_wait = @@session.innodb_lock_wait_timeout, \
                 session innodb_lock_wait_timeout = 5"
            }
            false => "set session innodb_lock_wait_timeout = @idem_lock_wait",
        };
        Box::pin(async move { sqlx::raw_sql(text).execute(conn).await.map(|_| ()) })
    }

    fn commit<'a>(conn: &'a mut MySqlConnection, _: &'a Opened) -> BoxFuture<'a, sqlx::Result<()>> {
        // Alone: in a message of several statements Galera says OK to a COMMIT that it refuses.
        Box::pin(Manager::commit(conn))
    }

    const CHANGES_SESSION: bool = true;

    fn put_back<'a>(
        conn: &'a mut MySqlConnection,
        opened: &'a Opened,
    ) -> BoxFuture<'a, sqlx::Result<()>> {
        run(conn, message::put_back(opened))
    }

    fn roll_back<'a>(
        conn: &'a mut MySqlConnection,
        opened: &'a Opened,
    ) -> BoxFuture<'a, sqlx::Result<()>> {
        Box::pin(async move {
            run(conn, message::roll_back(opened)).await?;
            // Only a ROLLBACK lowers sqlx's depth; this one goes with the pool's ping.
            Manager::start_rollback(conn);
            Ok(())
        })
    }

    fn cancel<'a>(pool: &'a MySqlPool, opened: &'a Opened) -> BoxFuture<'a, sqlx::Result<()>> {
        Box::pin(async move {
            let kill = AssertSqlSafe(format!("kill query {}", opened.connection));
            sqlx::raw_sql(kill).execute(pool).await.map(|_| ())
        })
    }

    fn outcome<'a>(
        conn: &'a mut MySqlConnection,
        name: &'a RecordName,
        attempt: Uuid,
    ) -> BoxFuture<'a, sqlx::Result<CommitOutcome>> {
        Box::pin(async move {
            let text = AssertSqlSafe(message::outcome(name, attempt));
            let rows = sqlx::raw_sql(text).fetch_all(&mut *conn).await;
            if rows.is_err() {
                // What comes behind a statement that fails does not run, and the lock would stay.
                run(conn, format!("{}; {}", message::UNLOCK, message::AFRESH)).await?;
            }
            let rows = rows?;
            let row = rows.first().ok_or(sqlx::Error::RowNotFound)?;
            // The lost transaction's session holds its lock to its end.
            let (over, committed) = (flag(row, "free")?, flag(row, "committed")?);
            Ok(match (committed, over) {
                (true, _) => CommitOutcome::Committed,
                (false, true) => CommitOutcome::RolledBack,
                (false, false) => CommitOutcome::Running,
            })
        })
    }

    fn fault(error: &sqlx::Error) -> Fault {
        error::of(error)
    }
}

fn run(conn: &mut MySqlConnection, text: String) -> BoxFuture<'_, sqlx::Result<()>> {
    Box::pin(async move {
        sqlx::raw_sql(AssertSqlSafe(text))
            .execute(conn)
            .await
            .map(|_| ())
    })
}

fn flag(row: &MySqlRow, column: &str) -> sqlx::Result<bool> {
    Ok(row.try_get::<i64, _>(column)? != 0)
}

fn stored(row: &MySqlRow) -> sqlx::Result<StoredRecord> {
    let status: i16 = row.try_get("status")?;
    Ok(StoredRecord {
        format: row.try_get("format")?,
        fingerprint_version: row.try_get("fingerprint_version")?,
        fingerprint: row.try_get("fingerprint")?,
        completion: Arc::new(Completion {
            // Zero is none: a damaged record is not replayed.
            status: u16::try_from(status).unwrap_or(0),
            headers: row.try_get("headers")?,
            body: row.try_get("body")?,
            reference: row.try_get("reference")?,
        }),
        expired: flag(row, "expired")?,
        age: super::age(row.try_get("age")?),
    })
}
