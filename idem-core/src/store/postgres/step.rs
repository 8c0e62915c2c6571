//! The two steps of an attempt, which are one function on the server: to claim, and to store.
//!
//! `migrations/postgres/0004_step.sql` has the function. One statement calls it for both steps, so that
//! its name is tested by the claim: a name that the server does not know fails a transaction, and
//! when the record is stored, the handler's writes with it. An attempt uses the name for both steps or
//! for none of them, since a pooler may have given it a server connection on which the application's
//! names belong to another client.
//!
//! The claim returns what the session was like, and the other step compares: the time at which the
//! transaction began, the user and the role, the limit of a statement. If nothing has changed, the
//! record is stored by the same message. `transaction_timestamp()` is that of the message with BEGIN
//! (manual, "Date/Time Functions"), so that a later transaction of the connection has another one.
//!
//! The function returns one record as a value, and not a row of columns: a function in a FROM clause
//! stores its result aside first, which takes longer than the claim itself.

use std::sync::Arc;
use std::time::Duration;

use sqlx::error::BoxDynError;
use sqlx::postgres::types::{PgInterval, PgRecordDecoder};
use sqlx::postgres::{PgArguments, PgConnection, PgRow, PgValueRef};
use sqlx::{Connection, Postgres, Row};
use uuid::Uuid;

use super::error::is_about_names;
use super::open_attempt::{OpenAttempt, OwnSession};
use super::statement::{has_names, interval, run};
use crate::model::record::{Completion, RecordName};
use crate::store::records::{FORMAT, NewRecord, Opening, Probe, Stored, StoredRecord, millis};

type Query<'q> = sqlx::query::Query<'q, Postgres, PgArguments>;

/// Limits the time, tries the lock and reads the record.
///
/// Idem itself stops a handler's statement. The limit of a statement is for when its request does not
/// arrive. The handler may leave the session idle for its whole time; that limit is for clients that
/// are gone.
pub(super) async fn claim(
    conn: &mut PgConnection,
    opening: &Opening<'_>,
    is_named: bool,
) -> sqlx::Result<(OwnSession, Probe)> {
    let limit =
        |more| i32::try_from(millis(opening.timeout).saturating_add(more)).unwrap_or(i32::MAX);
    let limits = [limit(1_000), limit(5_000)];
    let claim = ask(opening.name, Some((opening.attempt, limits)));
    let row = claim.persistent(is_named).fetch_one(conn).await?;
    read_claim(row.try_get_raw(0)?).map_err(sqlx::Error::Decode)
}

/// Reads the record outside of a transaction. `None`: this connection has no names, and an unnamed
/// statement is two messages; or the server has forgotten the name.
pub(super) async fn look(
    conn: &mut PgConnection,
    name: &RecordName,
) -> sqlx::Result<Option<Probe>> {
    if !has_names(conn) {
        return Ok(None);
    }
    match ask(Some(name), None).fetch_one(&mut *conn).await {
        Err(error) if is_about_names(&error) => {
            conn.clear_cached_statements().await?;
            Ok(None)
        }
        row => {
            let read = read_claim(row?.try_get_raw(0)?);
            Ok(Some(read.map_err(sqlx::Error::Decode)?.1))
        }
    }
}

/// The statement of a claim, and of looking at a record: without the attempt's id and limits.
fn ask(name: Option<&RecordName>, attempt: Option<(Uuid, [i32; 2])>) -> Query<'_> {
    let lock = attempt.and(name).map(RecordName::lock_id);
    sqlx::query(STEP)
        .bind(name.map(|name| name.scope.as_str()))
        .bind(name.map(|name| name.operation.as_str()))
        .bind(name.map(|name| name.key.as_str()))
        .bind(attempt.map(|(id, _)| id))
        .bind(lock)
        .bind(attempt.map(|(_, [statement, _])| statement))
        .bind(attempt.map(|(_, [_, idle])| idle))
        .bind(name.is_some_and(|name| name.operation.is_of_consumer()))
        .bind(None::<f64>)
        .bind(None::<&str>)
        .bind(None::<&str>)
        .bind(None::<&str>)
        .bind(None::<&str>)
        .bind(None::<i16>)
        .bind(None::<i16>)
        .bind(None::<&[u8]>)
        .bind(None::<i16>)
        .bind(None::<&[u8]>)
        .bind(None::<&[u8]>)
        .bind(None::<&str>)
        .bind(None::<PgInterval>)
}

fn read_claim(value: PgValueRef<'_>) -> Result<(OwnSession, Probe), BoxDynError> {
    let mut values = PgRecordDecoder::new(value)?;
    let answer: i32 = values.try_decode()?;
    let session = OwnSession {
        began: values.try_decode()?,
        login: values.try_decode()?,
        role: values.try_decode()?,
        statement_timeout: values.try_decode()?,
        path: values.try_decode()?,
        backend: values.try_decode()?,
    };
    let format: Option<i16> = values.try_decode()?;
    let found = match format {
        Some(format) => Some(read_record(format, &mut values)?),
        None => None,
    };
    let probe = Probe {
        is_free: answer & 1 != 0,
        is_writable: answer & 2 != 0,
        has_failed: answer & 4 != 0,
        found,
    };
    Ok((session, probe))
}

fn read_record(format: i16, values: &mut PgRecordDecoder<'_>) -> Result<StoredRecord, BoxDynError> {
    Ok(StoredRecord {
        format,
        fingerprint_version: values.try_decode()?,
        fingerprint: values.try_decode()?,
        completion: Arc::new(Completion {
            // Zero is no status: a damaged record is not replayed.
            status: u16::try_from(values.try_decode::<i16>()?).unwrap_or(0),
            headers: values.try_decode()?,
            body: values.try_decode::<Vec<u8>>()?.into(),
            reference: values.try_decode()?,
        }),
        expired: values.try_decode()?,
        // A clock that was set back makes no record younger than new.
        age: Duration::from_millis(u64::try_from(values.try_decode::<i64>()?).unwrap_or(0)),
    })
}

/// Proves that the transaction is the claim's and stores the record, after restoring what a handler has
/// changed of the session.
pub(super) async fn store(
    conn: &mut PgConnection,
    attempt: &OpenAttempt,
    record: Option<&NewRecord<'_>>,
) -> sqlx::Result<Stored> {
    let mut stored = store_once(conn, attempt, record).await?;
    if stored == CHANGED {
        run(conn, attempt.restore_text()).await?;
        stored = store_once(conn, attempt, record).await?;
    }
    match stored {
        1 => Ok(Stored::Yes),
        0 => Ok(Stored::Exists),
        ANOTHER => Ok(Stored::GuardLost),
        // Nothing is stored, and the caller rolls back.
        _ => Err(sqlx::Error::Protocol(
            "the session of an attempt cannot be restored".to_owned(),
        )),
    }
}

async fn store_once(
    conn: &mut PgConnection,
    attempt: &OpenAttempt,
    record: Option<&NewRecord<'_>>,
) -> sqlx::Result<i32> {
    let name = record.map(|record| record.name);
    let fingerprint = record.map(|record| record.fingerprint.stored());
    let completion = record.map(|record| record.completion);
    let session = &attempt.session;
    let row: PgRow = sqlx::query(STEP)
        .persistent(attempt.is_named)
        .bind(name.map(|name| name.scope.as_str()))
        .bind(name.map(|name| name.operation.as_str()))
        .bind(name.map(|name| name.key.as_str()))
        .bind(record.map_or(attempt.id, |record| record.attempt))
        .bind(None::<i64>)
        .bind(None::<i32>)
        .bind(None::<i32>)
        .bind(None::<bool>)
        .bind(session.began)
        .bind(&session.login)
        .bind(&session.role)
        .bind(&session.statement_timeout)
        .bind(&session.path)
        .bind(record.map(|_| FORMAT))
        .bind(fingerprint.map(|(version, _)| version))
        .bind(fingerprint.map(|(_, digest)| digest))
        .bind(record.map(NewRecord::status))
        .bind(completion.map(|completion| &completion.headers[..]))
        .bind(completion.map(|completion| &completion.body[..]))
        .bind(record.and_then(NewRecord::reference))
        .bind(record.map(|record| interval(record.ttl)))
        .fetch_one(conn)
        .await?;
    let answer = PgRecordDecoder::new(row.try_get_raw(0)?);
    let answer = answer.and_then(|mut values| values.try_decode());
    answer.map_err(sqlx::Error::Decode)
}

const STEP: &str = "select idem.step($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, \
    $16, $17, $18, $19, $20, $21)";

/// The handler has changed the role or a limit.
const CHANGED: i32 = -1;
/// The transaction is not the one that was claimed in.
const ANOTHER: i32 = -2;
