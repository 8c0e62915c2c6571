//! The statements for SQLite.
//!
//! `BEGIN IMMEDIATE` lets one writer in at a time, so there is nothing to probe for. A commit
//! hook refuses every commit but Idem's own: where a handler commits or loses the transaction,
//! nothing of its writes survives.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::BoxFuture;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, Row, SqlSafeStr, Sqlite, SqlitePool};
use sqlx_core::transaction::TransactionManager;
use uuid::Uuid;

use super::{
    Backend, CommitOutcome, Fault, NewRecord, Opening, Probe, StoredRecord, millis, sealed,
};
use crate::{Completion, Isolation, RecordName};

mod admin;
mod batch;
mod dead_letters;
mod maintenance;
mod process_lock;
mod rollout;

type Manager = <Sqlite as sqlx::Database>::TransactionManager;

/// The guard's name, and the switches of the connection's hooks.
#[derive(Debug)]
pub struct Opened {
    guard: String,
    hooks: Arc<Hooks>,
}

#[derive(Debug, Default)]
struct Hooks {
    attempt_is_over: AtomicBool,
    stop: AtomicBool,
}

impl Opened {
    // From here on the hooks let everything pass, so that they may stay on the connection.
    fn end(&self) {
        self.hooks.attempt_is_over.store(true, Ordering::Release);
        self.hooks.stop.store(false, Ordering::Release);
    }
}

impl sealed::Sealed for Sqlite {}

impl Backend for Sqlite {
    type Opened = Opened;

    const SINGLE_WRITER: bool = true;

    fn plain_begin(_: Isolation) -> &'static str {
        "begin immediate"
    }

    fn open<'a>(
        conn: &'a mut SqliteConnection,
        opening: &'a Opening<'a>,
    ) -> BoxFuture<'a, sqlx::Result<(Opened, Probe)>> {
        Box::pin(async move {
            let guard = format!("idem_{}", opening.attempt.simple());
            // BEGIN IMMEDIATE succeeds on a read-only file; a statement that could write fails.
            let begin =
                format!("begin immediate; savepoint {guard}; delete from idem_record where false");
            let begin = AssertSqlSafe(begin);
            Manager::begin(conn, Some(begin.into_sql_str())).await?;
            let hooks = match opening.may_commit {
                false => set_hooks(conn).await?,
                true => Arc::default(),
            };
            let found = match opening.name {
                Some(name) => Self::find(conn, name).await?,
                None => None,
            };
            let has_failed = match opening.name {
                Some(name) if name.operation.is_of_consumer() => {
                    dead_letters::is_counted(conn, name).await?
                }
                _ => false,
            };
            Ok((
                Opened { guard, hooks },
                Probe {
                    free: true,
                    writable: true,
                    found,
                    has_failed,
                },
            ))
        })
    }

    type ProcessLock = process_lock::ProcessLock;

    fn keep_processes_out<'a>(
        conn: &'a mut SqliteConnection,
        name: &'a RecordName,
    ) -> BoxFuture<'a, sqlx::Result<Option<Self::ProcessLock>>> {
        Box::pin(process_lock::take(conn, name))
    }

    fn find<'a>(
        conn: &'a mut SqliteConnection,
        name: &'a RecordName,
    ) -> BoxFuture<'a, sqlx::Result<Option<StoredRecord>>> {
        Box::pin(async move {
            let row = sqlx::query(
                "select format, fingerprint_version, fingerprint, status, headers, body, \
                        reference, expires_at <= unixepoch('subsec') * 1000 as expired, \
                        cast(unixepoch('subsec') * 1000 as integer) - created_at as age \
                 from idem_record where scope = ? and operation = ? and key = ?",
            )
            .bind(name.scope.as_str())
            .bind(name.operation.as_str())
            .bind(name.key.as_str())
            .fetch_optional(conn)
            .await?;
            row.as_ref().map(stored).transpose()
        })
    }

    fn release_guard<'a>(
        conn: &'a mut SqliteConnection,
        opened: &'a Opened,
        around: &'static str,
    ) -> BoxFuture<'a, sqlx::Result<()>> {
        let guard = &opened.guard;
        run(
            conn,
            format!("{around} release savepoint {guard}; {around}"),
        )
    }

    fn roll_back_to_guard<'a>(
        conn: &'a mut SqliteConnection,
        opened: &'a Opened,
    ) -> BoxFuture<'a, sqlx::Result<()>> {
        Box::pin(async move {
            let text = format!("rollback to savepoint {}", opened.guard);
            if !opened.hooks.stop.load(Ordering::Acquire) {
                return run(conn, text).await;
            }
            // Answered only when the statement has stopped; what follows must not stop.
            drop(conn.lock_handle().await?);
            opened.hooks.stop.store(false, Ordering::Release);
            match run(conn, text).await {
                // A write that is stopped takes the whole transaction with it.
                Err(error) if Self::fault(&error) == Fault::GuardLost => Ok(()),
                undone => undone,
            }
        })
    }

    fn insert<'a>(
        conn: &'a mut SqliteConnection,
        record: &'a NewRecord<'a>,
    ) -> BoxFuture<'a, sqlx::Result<bool>> {
        Box::pin(async move {
            let (version, digest) = record.fingerprint.stored();
            let done = sqlx::query(
                "insert into idem_record (scope, operation, key, attempt, format, \
                   fingerprint_version, fingerprint, status, headers, body, reference, \
                   created_at, expires_at) \
                 values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, \
                   cast(unixepoch('subsec') * 1000 as integer), \
                   cast(unixepoch('subsec') * 1000 as integer) + ?) \
                 on conflict (scope, operation, key) do update set \
                   attempt = excluded.attempt, format = excluded.format, \
                   fingerprint_version = excluded.fingerprint_version, \
                   fingerprint = excluded.fingerprint, status = excluded.status, \
                   headers = excluded.headers, body = excluded.body, \
                   reference = excluded.reference, created_at = excluded.created_at, \
                   expires_at = excluded.expires_at \
                 where idem_record.expires_at <= unixepoch('subsec') * 1000",
            )
            .bind(record.name.scope.as_str())
            .bind(record.name.operation.as_str())
            .bind(record.name.key.as_str())
            .bind(record.attempt)
            .bind(super::FORMAT)
            .bind(version)
            .bind(digest)
            .bind(i64::from(record.completion.status))
            .bind(&record.completion.headers)
            .bind(&record.completion.body)
            .bind(record.completion.reference.as_deref())
            .bind(millis(record.ttl))
            .execute(conn)
            .await?;
            Ok(done.rows_affected() == 1)
        })
    }

    fn commit<'a>(
        conn: &'a mut SqliteConnection,
        opened: &'a Opened,
    ) -> BoxFuture<'a, sqlx::Result<()>> {
        opened.end();
        Box::pin(Manager::commit(conn))
    }

    fn roll_back<'a>(
        conn: &'a mut SqliteConnection,
        opened: &'a Opened,
    ) -> BoxFuture<'a, sqlx::Result<()>> {
        Box::pin(async move {
            Manager::rollback(conn).await?;
            opened.end();
            Ok(())
        })
    }

    fn cancel<'a>(_: &'a SqlitePool, opened: &'a Opened) -> BoxFuture<'a, sqlx::Result<()>> {
        opened.hooks.stop.store(true, Ordering::Release);
        Box::pin(async { Ok(()) })
    }

    fn outcome<'a>(
        conn: &'a mut SqliteConnection,
        name: &'a RecordName,
        attempt: Uuid,
    ) -> BoxFuture<'a, sqlx::Result<CommitOutcome>> {
        Box::pin(async move {
            let committed: bool = sqlx::query_scalar(
                "select exists(select 1 from idem_record \
                   where scope = ? and operation = ? and key = ? and attempt = ?)",
            )
            .bind(name.scope.as_str())
            .bind(name.operation.as_str())
            .bind(name.key.as_str())
            .bind(attempt)
            .fetch_one(conn)
            .await?;
            // The connection of the unclear COMMIT is closed by now, and so is its transaction.
            Ok(if committed {
                CommitOutcome::Committed
            } else {
                CommitOutcome::RolledBack
            })
        })
    }

    fn fault(error: &sqlx::Error) -> Fault {
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
}

/// Refuses commits until the attempt ends, and stops its statement when told to.
async fn set_hooks(conn: &mut SqliteConnection) -> sqlx::Result<Arc<Hooks>> {
    const STEPS_BETWEEN_LOOKS: i32 = 10_000;
    let hooks = Arc::new(Hooks::default());
    let mut handle = conn.lock_handle().await?;
    let commit = Arc::clone(&hooks);
    handle.set_commit_hook(move || commit.attempt_is_over.load(Ordering::Acquire));
    let progress = Arc::clone(&hooks);
    handle.set_progress_handler(STEPS_BETWEEN_LOOKS, move || {
        !progress.stop.load(Ordering::Acquire)
    });
    Ok(hooks)
}

fn run(conn: &mut SqliteConnection, text: String) -> BoxFuture<'_, sqlx::Result<()>> {
    Box::pin(async move {
        sqlx::raw_sql(AssertSqlSafe(text))
            .execute(conn)
            .await
            .map(|_| ())
    })
}

fn stored(row: &SqliteRow) -> sqlx::Result<StoredRecord> {
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
