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
//! The insert stores a new record, replaces an expired one, and refuses to touch a live one:
//!
//! | the row before | the answer | the row after |
//! | --- | --- | --- |
//! | none | 1 | the new record |
//! | expired | 1 | the new record |
//! | live | 0 | as before |
//! | inserted by an open transaction | waits for its end, then as above | |
//!
//! At repeatable read and above the last case ends in 40001 if the other transaction has committed
//! (manual, "Repeatable Read Isolation Level"), which is a collision: the retry finds the record.
//!
//! `expires_at` counts from `clock_timestamp()`, the time of the statement. `now()` is the time of the
//! BEGIN, so a handler that takes long would shorten its own ttl. An expired row is replaced and not
//! deleted first, because a deletion would let two attempts insert.
//!
//! An operation that refuses late retries has a function of its own, `idem.step_or_refuse`
//! (`0005_tombstone.sql`), which calls this one. A row that has expired and still refuses its key counts
//! as live there, and answers 0.
//!
//! The function returns one record as a value, and not a row of columns: a function in a FROM clause
//! stores its result aside first, which takes longer than the claim itself.

use std::sync::Arc;
use std::time::Duration;

use sqlx::error::BoxDynError;
use sqlx::postgres::types::PgRecordDecoder;
use sqlx::postgres::{PgArguments, PgConnection, PgRow, PgValueRef};
use sqlx::{Connection, Postgres, Row};
use uuid::Uuid;

use super::error::is_about_names;
use super::open_attempt::{OpenAttempt, OwnSession};
use super::statement::{has_names, interval, limits, run};
use crate::model::record::{Completion, RecordName};
use crate::store::records::{NewRecord, Opening, Probe, Stored, StoredRecord};

type Query<'q> = sqlx::query::Query<'q, Postgres, PgArguments>;

/// What the function takes. Which step it does depends on what is there.
#[derive(Default)]
struct Step<'a> {
    name: Option<&'a RecordName>,
    /// To claim or to store; without it the record is only read.
    attempt: Option<Uuid>,
    /// To claim: the limits of a statement and of an idle moment, in milliseconds.
    limits: Option<[i32; 2]>,
    /// To store.
    session: Option<&'a OwnSession>,
    record: Option<&'a NewRecord<'a>>,
    /// The operation refuses late retries, so the name's tombstone is looked up and stored.
    refuses_late: bool,
}

impl<'a> Step<'a> {
    /// The one statement of all steps of an attempt.
    fn query(&self) -> Query<'a> {
        if !self.refuses_late {
            return self.bind(sqlx::query(
                "select idem.step($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, \
                 $16, $17, $18, $19, $20, $21)",
            ));
        }
        let refusal = self.record.and_then(|record| record.refusal);
        let step = sqlx::query(
            "select idem.step_or_refuse($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, \
             $15, $16, $17, $18, $19, $20, $21, $22, $23)",
        );
        self.bind(step)
            .bind(self.name.map(RecordName::tombstone))
            .bind(refusal.map(interval))
    }

    /// Binds what both functions take.
    fn bind(&self, query: Query<'a>) -> Query<'a> {
        let Self {
            name,
            limits,
            session,
            record,
            ..
        } = *self;
        let fingerprint = record.map(NewRecord::fingerprint);
        query
            .bind(name.map(|name| name.scope.as_str()))
            .bind(name.map(|name| name.operation.as_str()))
            .bind(name.map(|name| name.key.as_str()))
            .bind(self.attempt)
            .bind(limits.and(name).map(RecordName::lock_id))
            .bind(limits.map(|[statement, _]| statement))
            .bind(limits.map(|[_, idle]| idle))
            .bind(name.is_some_and(|name| name.operation.is_of_consumer()))
            .bind(session.map(|session| session.began))
            .bind(session.map(|session| session.login.as_str()))
            .bind(session.map(|session| session.role.as_str()))
            .bind(session.map(|session| session.statement_timeout.as_str()))
            .bind(session.map(|session| session.path.as_str()))
            .bind(record.map(NewRecord::format))
            .bind(fingerprint.map(|(version, _)| version))
            .bind(fingerprint.map(|(_, digest)| digest))
            .bind(record.map(NewRecord::status))
            .bind(record.map(NewRecord::headers))
            .bind(record.map(NewRecord::body))
            .bind(record.and_then(NewRecord::reference))
            .bind(record.map(|record| interval(record.ttl)))
    }
}

/// Limits the time, tries the lock and reads the record.
pub(super) async fn claim(
    conn: &mut PgConnection,
    opening: &Opening<'_>,
    is_named: bool,
) -> sqlx::Result<(OwnSession, Probe)> {
    let claim = Step {
        name: opening.name,
        attempt: Some(opening.attempt),
        limits: Some(limits(opening.timeout)),
        refuses_late: opening.refuses_late,
        ..Step::default()
    };
    let row = claim.query().persistent(is_named).fetch_one(conn).await?;
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
    let look = Step {
        name: Some(name),
        ..Step::default()
    };
    match look.query().fetch_one(&mut *conn).await {
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
        is_refused: answer & 8 != 0,
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
        run(conn, attempt.restore_text()?).await?;
        stored = store_once(conn, attempt, record).await?;
    }
    match stored {
        1 => Ok(Stored::Yes),
        0 => Ok(Stored::Exists { is_proved: false }),
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
    let store = Step {
        name: record.map(|record| record.name),
        attempt: record.map(|record| record.attempt),
        session: Some(attempt.session()?),
        record,
        refuses_late: attempt.refuses_late(),
        ..Step::default()
    };
    let store = store.query().persistent(attempt.is_named());
    let row: PgRow = store.fetch_one(conn).await?;
    let answer = PgRecordDecoder::new(row.try_get_raw(0)?);
    let answer = answer.and_then(|mut values| values.try_decode());
    answer.map_err(sqlx::Error::Decode)
}

/// The handler has changed the role or a limit.
const CHANGED: i32 = -1;
/// The transaction is not the one that was claimed in.
const ANOTHER: i32 = -2;
