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

use sqlx::postgres::types::PgInterval;
use sqlx::postgres::{PgArguments, PgConnection};
use sqlx::{Postgres, Row};

use super::open_attempt::OpenAttempt;
use super::statement::{interval, run};
use crate::store::records::{FORMAT, NewRecord, Opening, Stored, millis};

type Query<'q> = sqlx::query::Query<'q, Postgres, PgArguments>;

/// Limits the time, tries the lock and reads the record.
///
/// Idem itself stops a handler's statement. The limit of a statement is for when its request does not
/// arrive. The handler may leave the session idle for its whole time; that limit is for clients that
/// are gone.
pub(super) fn claim<'q>(opening: &'q Opening<'_>, is_named: bool) -> Query<'q> {
    let limit =
        |more| i32::try_from(millis(opening.timeout).saturating_add(more)).unwrap_or(i32::MAX);
    let name = opening.name;
    sqlx::query(STEP)
        .persistent(is_named)
        .bind(name.map(|name| name.scope.as_str()))
        .bind(name.map(|name| name.operation.as_str()))
        .bind(name.map(|name| name.key.as_str()))
        .bind(opening.attempt)
        .bind(name.map(|name| name.lock_id()))
        .bind(Some(limit(1_000)))
        .bind(Some(limit(5_000)))
        .bind(name.is_some_and(|name| name.operation.is_of_consumer()))
        .bind(None::<f64>)
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
) -> sqlx::Result<i16> {
    let name = record.map(|record| record.name);
    let fingerprint = record.map(|record| record.fingerprint.stored());
    let completion = record.map(|record| record.completion);
    sqlx::query(STEP)
        .persistent(attempt.is_named)
        .bind(name.map(|name| name.scope.as_str()))
        .bind(name.map(|name| name.operation.as_str()))
        .bind(name.map(|name| name.key.as_str()))
        .bind(record.map_or(attempt.id, |record| record.attempt))
        .bind(None::<i64>)
        .bind(None::<i32>)
        .bind(None::<i32>)
        .bind(None::<bool>)
        .bind(attempt.began)
        .bind(&attempt.login)
        .bind(&attempt.role)
        .bind(&attempt.statement_timeout)
        .bind(record.map(|_| FORMAT))
        .bind(fingerprint.map(|(version, _)| version))
        .bind(fingerprint.map(|(_, digest)| digest))
        .bind(record.map(NewRecord::status))
        .bind(completion.map(|completion| &completion.headers[..]))
        .bind(completion.map(|completion| &completion.body[..]))
        .bind(record.and_then(NewRecord::reference))
        .bind(record.map(|record| interval(record.ttl)))
        .fetch_one(conn)
        .await?
        .try_get("stored")
}

const STEP: &str = "select * from idem.step($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, \
    $14, $15, $16, $17, $18, $19, $20)";

/// The handler has changed the role or a limit.
const CHANGED: i16 = -1;
/// The transaction is not the one that was claimed in.
const ANOTHER: i16 = -2;
