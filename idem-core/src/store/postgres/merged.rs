//! Attempts whose statements are sent in the messages of BEGIN and COMMIT.
//!
//! SQLx sends the text that begins a transaction and gives back no rows, and it takes no bound statement
//! with COMMIT. So both messages are texts, and answer by an error alone: the functions `idem.enter` and
//! `idem.leave` (`migrations/postgres/0004_step.sql`) call that of the other form and raise one.
//!
//! 1. `select idem.enter(…); begin`. The server runs several statements of one message in a transaction,
//!    and BEGIN goes on in it (manual, "Multiple Statements in a Simple Query"): the lock and the limits
//!    stay. If the function raises an error, no transaction is open.
//! 2. `select idem.leave(…); commit and chain`. A plain COMMIT would end the transaction that SQLx counts,
//!    and its ROLLBACK be a warning in the server's log. Chained, it ends an empty transaction, in the
//!    packet with the pool's ping.
//!
//! What the client is not told is kept on the server, in a setting of the transaction. Whether it is there
//! also proves the transaction.

use sqlx::postgres::{PgConnection, PgTransactionManager};
use sqlx::{AssertSqlSafe, SqlSafeStr};
use sqlx_core::transaction::TransactionManager;
use uuid::Uuid;

use super::error::code;
use super::statement::{limits, run};
use crate::model::policy::Isolation;
use crate::model::record::RecordName;
use crate::store::hex::push_hex;
use crate::store::records::{NewRecord, Opening, micros};

/// What the client knows of such an attempt.
#[derive(Debug)]
pub(super) struct Merged {
    /// A lock of this attempt alone, by which the server's process is found.
    mark: i64,
    /// The limit for a statement, in milliseconds.
    limit: i32,
    /// The text that stores the record, until it is sent with COMMIT.
    storing: Option<String>,
}

/// The name of an attempt that may be sent in this form.
///
/// A savepoint must come after the lock, and an isolation before the first query.
pub(super) fn mergeable<'a>(opening: &Opening<'a>) -> Option<&'a RecordName> {
    let is_plain = opening.may_merge
        && opening.if_it_may_run
        && !opening.may_undo
        && !opening.refuses_late
        && opening.isolation == Isolation::Default;
    let name = opening.name.filter(|_| is_plain)?;
    (!name.operation.is_of_consumer()).then_some(name)
}

/// What the message that claims has answered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Claimed {
    /// The transaction is open.
    Fresh,
    Running,
    HasRecord,
    ReadOnly,
}

/// Claims and begins, in one message. A duplicate has no transaction afterwards.
pub(super) async fn claim(
    conn: &mut PgConnection,
    opening: &Opening<'_>,
    name: &RecordName,
) -> sqlx::Result<(Merged, Claimed)> {
    let [statement, idle] = limits(opening.timeout);
    let (texts, id) = (texts_of(name), opening.attempt);
    let (lock, mark) = (name.lock_id(), mark_of(id));
    let text =
        format!("select idem.enter({texts}, '{id}', {lock}, {mark}, {statement}, {idle}); begin");
    let begin = AssertSqlSafe(text).into_sql_str();
    let claimed = match PgTransactionManager::begin(conn, Some(begin)).await {
        Ok(()) => Claimed::Fresh,
        Err(error) => match code(&error).as_deref() {
            Some("IDM01") => Claimed::Running,
            Some("IDM02") => Claimed::HasRecord,
            Some("IDM03") => Claimed::ReadOnly,
            _ => return Err(error),
        },
    };
    let merged = Merged {
        mark,
        limit: statement,
        storing: None,
    };
    Ok((merged, claimed))
}

impl Merged {
    /// Keeps the text that stores the record for the message of COMMIT.
    ///
    /// The limit is set by a statement of its own: a handler may have set one that is too short, and a
    /// limit counts from the beginning of a statement.
    pub(super) fn store(&mut self, record: &NewRecord<'_>) {
        let (version, digest) = record.fingerprint();
        let (format, id) = (record.format(), record.attempt);
        let reference = record.reference();
        let text = format!(
            "set local statement_timeout = {}; \
             select idem.leave({}, '{id}', '{format}', '{version}', {}, '{}', {}, {}, {}, \
             '{} microseconds')",
            self.limit,
            texts_of(record.name),
            bytes(digest),
            record.status(),
            bytes(record.headers()),
            bytes(record.body()),
            reference.map_or_else(|| "null".to_owned(), text),
            micros(record.ttl),
        );
        self.storing = Some(text);
    }

    /// The statement that stops the attempt's own. The process is found by the mark, which it holds until
    /// the end of the transaction: the lock of the name may be another attempt's by now. A lock of 64 bits
    /// is listed in two halves (manual, `pg_locks`).
    ///
    /// If the handler has ended the transaction, its statement runs on.
    pub(super) fn cancel_text(&self) -> String {
        format!(
            "select pg_cancel_backend(pid) from pg_locks \
             where locktype = 'advisory' and objsubid = 1 and granted \
             and classid = ('{0}'::bigint >> 32 & 4294967295)::oid \
             and objid = ('{0}'::bigint & 4294967295)::oid \
             and database = (select oid from pg_database where datname = current_database())",
            self.mark
        )
    }

    /// Stores the record and commits, in one message.
    ///
    /// The text ends at its first error, so nothing is committed without the record.
    pub(super) async fn commit(&self, conn: &mut PgConnection) -> sqlx::Result<()> {
        let storing = self.storing.as_deref();
        let storing = storing.ok_or_else(|| sqlx::Error::Protocol("there is no record".into()))?;
        run(conn, format!("{storing}; commit and chain")).await?;
        PgTransactionManager::start_rollback(conn);
        Ok(())
    }
}

/// Half of the attempt's id, which is random.
fn mark_of(attempt: Uuid) -> i64 {
    attempt.as_u64_pair().0.cast_signed()
}

fn texts_of(name: &RecordName) -> String {
    let texts = [
        name.scope.as_str(),
        name.operation.as_str(),
        name.key.as_str(),
    ];
    texts.map(text).join(", ")
}

/// A text in hexadecimal, so that logs do not show it.
fn text(text: &str) -> String {
    format!("convert_from({}, $$UTF8$$)", bytes(text.as_bytes()))
}

/// Bytes between dollars, where a backslash is no escape whatever the session's settings are.
fn bytes(bytes: &[u8]) -> String {
    let mut literal = "$$\\x".to_owned();
    push_hex(&mut literal, bytes);
    literal.push_str("$$");
    literal
}
