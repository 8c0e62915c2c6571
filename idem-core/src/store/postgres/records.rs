//! The records of PostgreSQL: finding one, and what became of a lost COMMIT. [`step`](super::step)
//! stores them.

use sqlx::postgres::PgConnection;
use sqlx::{FromRow, Row};
use uuid::Uuid;

use super::statement::{OwnTransaction, bind_name, unnamed, value};
use crate::model::record::RecordName;
use crate::store::records::{CommitOutcome, StoredRecord};

/// Reads a record, in a transaction of its own unless one is open.
///
/// The statement is unnamed, so behind a pooler it needs a transaction around its two messages.
pub(super) async fn find(
    conn: &mut PgConnection,
    name: &RecordName,
) -> sqlx::Result<Option<StoredRecord>> {
    let own = OwnTransaction::begin(conn).await?;
    let find = unnamed(
        "select format, fingerprint_version, fingerprint, status, headers, body, \
                reference, expires_at <= statement_timestamp() as expired, \
                (extract(epoch from statement_timestamp() - created_at) * 1000)::bigint as age \
         from idem.record where scope = $1 and operation = $2 and key = $3",
    );
    let row = bind_name(find, name).fetch_optional(&mut *conn).await;
    let row = own.end(conn, row).await?;
    row.as_ref().map(StoredRecord::from_row).transpose()
}

/// Whether a late retry is refused, in a transaction of its own unless one is open.
///
/// One statement, and so one snapshot: it shows the record, or the tombstone that a sweep has made of it.
pub(super) async fn is_refused(conn: &mut PgConnection, name: &RecordName) -> sqlx::Result<bool> {
    let own = OwnTransaction::begin(conn).await?;
    let find = unnamed(
        "select exists(select from idem.record where scope = $1 and operation = $2 and key = $3 \
             and expires_at <= statement_timestamp() and refused_until > statement_timestamp()) \
           or exists(select from idem.tombstone \
             where digest = $4 and expires_at > statement_timestamp())",
    );
    let row = bind_name(find, name)
        .bind(name.tombstone())
        .fetch_one(&mut *conn);
    let row = row.await;
    own.end(conn, row).await?.try_get(0)
}

/// Finds out what became of an attempt, in a transaction of its own unless one is open.
pub(super) async fn commit_outcome(
    conn: &mut PgConnection,
    name: &RecordName,
    attempt: Uuid,
) -> sqlx::Result<CommitOutcome> {
    let own = OwnTransaction::begin(conn).await?;
    let outcome = look_up(conn, name, attempt).await;
    own.end(conn, outcome).await
}

/// Reads the token, tries the lock, and reads the token again.
///
/// The second reading is needed: the lost transaction may commit between the first reading and the lock.
/// Once the lock is taken it is over, so a missing token is then final. The lock belongs to this
/// transaction and is released with it. If another attempt of the same name holds the lock, the answer
/// is [`CommitOutcome::Running`], and the caller asks again.
async fn look_up(
    conn: &mut PgConnection,
    name: &RecordName,
    attempt: Uuid,
) -> sqlx::Result<CommitOutcome> {
    if committed(conn, name, attempt).await? {
        return Ok(CommitOutcome::Committed);
    }
    // The lost transaction holds this lock until it ends.
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
    let found = bind_name(find, name).bind(attempt).fetch_optional(conn);
    Ok(found.await?.is_some())
}
