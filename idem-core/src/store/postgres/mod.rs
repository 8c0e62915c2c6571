//! The statements for PostgreSQL.
//!
//! Every table is named with its schema, so a handler's `search_path` cannot hide it. Keys and
//! bodies are bound and no statement fails on a duplicate, so neither reaches the server's log.
//!
//! Every statement works behind a pooler that lends a server connection per transaction: see
//! [`statement`].

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::postgres::types::PgInterval;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Connection, PgPool, Postgres, Row, SqlSafeStr};
use sqlx_core::transaction::TransactionManager;
use uuid::Uuid;

use super::{Backend, CommitOutcome, Fault, NewRecord, Opening, Probe, StoredRecord, sealed};
use crate::{Completion, Isolation, RecordName};

mod admin;
mod batch;
mod begin;
mod dead_letters;
mod maintenance;
mod migrate;
mod rollout;
mod statement;

use self::statement::{
    BEFORE_STORING, Own, Query, frequent, has_names, is_about_names, run, run_and_check_names,
    store_without_names, unnamed, value,
};

type Manager = <Postgres as sqlx::Database>::TransactionManager;

/// The guard's name, and what of the session is restored or told to stop.
#[derive(Debug)]
pub struct Opened {
    guard: String,
    /// Makes the session's users those it came with.
    users: String,
    statement_timeout: String,
    backend: i32,
    /// Undoes what a message has set, for the next one.
    between: String,
}

impl sealed::Sealed for Postgres {}

impl Backend for Postgres {
    type Opened = Opened;

    const SINGLE_WRITER: bool = false;
    const BRINGS_TRANSACTION: bool = true;

    fn plain_begin(isolation: Isolation) -> &'static str {
        match isolation {
            Isolation::Default => "begin",
            Isolation::ReadCommitted => "begin isolation level read committed",
            Isolation::Serializable => "begin isolation level serializable",
        }
    }

    fn open<'a>(
        conn: &'a mut PgConnection,
        opening: &'a Opening<'a>,
    ) -> BoxFuture<'a, sqlx::Result<(Opened, Probe)>> {
        Box::pin(async move {
            match begin_and_probe(conn, opening).await {
                Err(error) if is_about_names(&error) => {
                    Manager::rollback(conn).await?;
                    conn.clear_cached_statements().await?;
                    begin_and_probe(conn, opening).await
                }
                opened => opened,
            }
        })
    }

    // The database's own lock is every process's.
    type ProcessLock = ();

    fn keep_processes_out<'a>(
        _: &'a mut PgConnection,
        _: &'a RecordName,
    ) -> BoxFuture<'a, sqlx::Result<Option<()>>> {
        Box::pin(async { Ok(Some(())) })
    }

    fn find<'a>(
        conn: &'a mut PgConnection,
        name: &'a RecordName,
    ) -> BoxFuture<'a, sqlx::Result<Option<StoredRecord>>> {
        Box::pin(async move {
            let own = Own::begin(conn).await?;
            let find = unnamed(
                "select format, fingerprint_version, fingerprint, status, headers, body, \
                        reference, expires_at <= statement_timestamp() as expired, \
                        (extract(epoch from statement_timestamp() - created_at) * 1000)::bigint as age \
                 from idem.record where scope = $1 and operation = $2 and key = $3",
            );
            let row = named(find, name).fetch_optional(&mut *conn).await;
            let row = own.end(conn, row).await?;
            row.as_ref().map(stored).transpose()
        })
    }

    fn release_guard<'a>(
        conn: &'a mut PgConnection,
        opened: &'a Opened,
        around: &'static str,
    ) -> BoxFuture<'a, sqlx::Result<()>> {
        let Opened {
            guard,
            users,
            statement_timeout: limit,
            ..
        } = opened;
        let before = match has_names(conn) {
            true => BEFORE_STORING,
            false => "",
        };
        // A handler may have taken a weaker role or a shorter limit.
        let text = format!(
            "{around} release savepoint {guard}; {users}; \
             set local statement_timeout = '{limit}'; {around} {before}"
        );
        Box::pin(async move { run(conn, text).await.map(|_| ()) })
    }

    fn roll_back_to_guard<'a>(
        conn: &'a mut PgConnection,
        opened: &'a Opened,
    ) -> BoxFuture<'a, sqlx::Result<()>> {
        let text = format!("rollback to savepoint {}", opened.guard);
        Box::pin(async move {
            match has_names(conn) {
                true => run_and_check_names(conn, text).await,
                false => run(conn, text).await.map(|_| ()),
            }
        })
    }

    fn insert<'a>(
        conn: &'a mut PgConnection,
        record: &'a NewRecord<'a>,
    ) -> BoxFuture<'a, sqlx::Result<bool>> {
        Box::pin(async move {
            match insert(conn, record).await {
                Err(error) if is_about_names(&error) => {
                    store_without_names(conn).await.map_err(|_| error)?;
                    insert(conn, record).await
                }
                inserted => inserted,
            }
        })
    }

    fn limit_lock_waits(
        conn: &mut PgConnection,
        is_limited: bool,
    ) -> BoxFuture<'_, sqlx::Result<()>> {
        let text = match is_limited {
            true => {
                "select set_config('idem.lock_timeout', current_setting('lock_timeout'), true), \
                 set_config('lock_timeout', '5s', true)"
            }
            false => {
                "select set_config('lock_timeout', current_setting('idem.lock_timeout'), true)"
            }
        };
        Box::pin(async move { run(conn, text.to_owned()).await.map(|_| ()) })
    }

    fn commit<'a>(conn: &'a mut PgConnection, _: &'a Opened) -> BoxFuture<'a, sqlx::Result<()>> {
        Box::pin(Manager::commit(conn))
    }

    fn roll_back<'a>(conn: &'a mut PgConnection, _: &'a Opened) -> BoxFuture<'a, sqlx::Result<()>> {
        Box::pin(Manager::rollback(conn))
    }

    fn cancel<'a>(pool: &'a PgPool, opened: &'a Opened) -> BoxFuture<'a, sqlx::Result<()>> {
        Box::pin(async move {
            // The transaction holds its server connection, so behind a pooler too this is its number.
            let cancel = AssertSqlSafe(format!("select pg_cancel_backend({})", opened.backend));
            sqlx::raw_sql(cancel).execute(pool).await.map(|_| ())
        })
    }

    fn outcome<'a>(
        conn: &'a mut PgConnection,
        name: &'a RecordName,
        attempt: Uuid,
    ) -> BoxFuture<'a, sqlx::Result<CommitOutcome>> {
        Box::pin(async move {
            let own = Own::begin(conn).await?;
            let outcome = look_up(conn, name, attempt).await;
            own.end(conn, outcome).await
        })
    }

    fn fault(error: &sqlx::Error) -> Fault {
        let code = match error {
            sqlx::Error::Database(error) => error.code().unwrap_or_default(),
            _ => return Fault::Unknown,
        };
        match code.as_ref() {
            // Serialization failure, deadlock, and a lock or statement that was given up.
            "40001" | "40P01" | "55P03" | "57014" => Fault::Collision,
            // A statement's name does not hold, and is not used again.
            "26000" | "42P05" => Fault::Collision,
            "25P02" => Fault::Aborted,
            // No such savepoint; no transaction at all.
            "3B001" | "25P01" => Fault::GuardLost,
            // Completion unknown, connection exceptions, shutdowns: the fate of a COMMIT is open.
            "40003" => Fault::Unknown,
            code if code.starts_with("08") || code.starts_with("57P") => Fault::Unknown,
            // What was written is at fault: data, constraints, views' checks, raised by a function,
            // not allowed, too large. <https://www.postgresql.org/docs/current/errcodes-appendix.html>
            code if ["22", "23", "27", "42", "44", "54", "P0"]
                .iter()
                .any(|class| code.starts_with(class)) =>
            {
                Fault::Refused
            }
            _ => Fault::Failed,
        }
    }
}

/// Sets both for the session: a handler's own `SET ROLE` would outlive the COMMIT and meet the next
/// attempt. Whoever may do nothing else may go back to who has logged in.
fn users(session_user: &str, role: &str) -> String {
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let role = match role {
        "none" => "none".to_owned(),
        name => quoted(name),
    };
    let session_user = quoted(session_user);
    // In this order: the first takes the role away.
    format!("set session authorization {session_user}; set role {role}")
}

fn stored(row: &PgRow) -> sqlx::Result<StoredRecord> {
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
        expired: row.try_get("expired")?,
        age: super::age(row.try_get("age")?),
    })
}

async fn begin_and_probe(
    conn: &mut PgConnection,
    opening: &Opening<'_>,
) -> sqlx::Result<(Opened, Probe)> {
    let guard = format!("idem_{}", opening.attempt.simple());
    let begin = AssertSqlSafe(begin::begin(opening, &guard)).into_sql_str();
    Manager::begin(conn, Some(begin)).await?;
    // A second statement has a second snapshot: it sees what the last holder of the
    // lock committed, which the statement that took the lock would not.
    let row = frequent(conn, begin::probe(opening))
        .bind(opening.name.map(|name| name.scope.as_str()))
        .bind(opening.name.map(|name| name.operation.as_str()))
        .bind(opening.name.map(|name| name.key.as_str()))
        .fetch_one(&mut *conn)
        .await?;
    let found = match row.try_get::<Option<i16>, _>("format")? {
        Some(_) => Some(stored(&row)?),
        None => None,
    };
    let probe = Probe {
        free: row.try_get("free")?,
        writable: row.try_get("writable")?,
        found,
        has_failed: row.try_get("has_failed")?,
    };
    let opened = Opened {
        guard,
        users: users(row.try_get("session_user")?, row.try_get("role")?),
        statement_timeout: row.try_get("statement_timeout")?,
        backend: row.try_get("backend")?,
        between: String::new(),
    };
    Ok((opened, probe))
}

async fn insert(conn: &mut PgConnection, record: &NewRecord<'_>) -> sqlx::Result<bool> {
    let (version, digest) = record.fingerprint.stored();
    let done = frequent(
        conn,
        "insert into idem.record as r (scope, operation, key, attempt, format, \
           fingerprint_version, fingerprint, status, headers, body, reference, expires_at) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, clock_timestamp() + $12) \
         on conflict (scope, operation, key) do update set \
           attempt = excluded.attempt, format = excluded.format, \
           fingerprint_version = excluded.fingerprint_version, \
           fingerprint = excluded.fingerprint, status = excluded.status, \
           headers = excluded.headers, body = excluded.body, \
           reference = excluded.reference, created_at = excluded.created_at, \
           expires_at = excluded.expires_at \
         where r.expires_at <= statement_timestamp()",
    )
    .bind(record.name.scope.as_str())
    .bind(record.name.operation.as_str())
    .bind(record.name.key.as_str())
    .bind(record.attempt)
    .bind(super::FORMAT)
    .bind(version)
    .bind(digest)
    .bind(i16::try_from(record.completion.status).unwrap_or(i16::MAX))
    .bind(&record.completion.headers)
    .bind(&record.completion.body)
    .bind(record.completion.reference.as_deref())
    .bind(interval(record.ttl))
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

async fn look_up(
    conn: &mut PgConnection,
    name: &RecordName,
    attempt: Uuid,
) -> sqlx::Result<CommitOutcome> {
    if committed(conn, name, attempt).await? {
        return Ok(CommitOutcome::Committed);
    }
    // The lost transaction held this lock to its end; whoever gets it knows it is over.
    let lock = format!("select pg_try_advisory_xact_lock({})", name.lock_id());
    let is_over: bool = value(conn, lock).await?;
    match is_over {
        false => Ok(CommitOutcome::Running),
        true if committed(conn, name, attempt).await? => Ok(CommitOutcome::Committed),
        true => Ok(CommitOutcome::RolledBack),
    }
}

async fn committed(
    conn: &mut PgConnection,
    name: &RecordName,
    attempt: Uuid,
) -> sqlx::Result<bool> {
    let find = unnamed(
        "select true from idem.record \
         where scope = $1 and operation = $2 and key = $3 and attempt = $4",
    );
    let found = named(find, name).bind(attempt).fetch_optional(conn);
    Ok(found.await?.is_some())
}

fn named<'q>(query: Query<'q>, name: &'q RecordName) -> Query<'q> {
    query
        .bind(name.scope.as_str())
        .bind(name.operation.as_str())
        .bind(name.key.as_str())
}

fn interval(ttl: Duration) -> PgInterval {
    let microseconds = i64::try_from(ttl.as_micros()).unwrap_or(i64::MAX);
    PgInterval {
        months: 0,
        days: 0,
        microseconds,
    }
}
