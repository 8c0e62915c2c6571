//! Many messages in one transaction of MariaDB or MySQL.
//!
//! One message does for all messages of a batch what two do for one attempt: the locks, the
//! records, and the begin, anew, since opening has begun a transaction already. It saves a round
//! trip, and the rows are told apart by their number: first one for each lock, then one for each
//! name. A wrong number of rows is an error and never a guess.
//!
//! The `limit` is there for sessions with a `sql_select_limit`, which would cut the result; an
//! explicit one overrides it.

use futures_util::future::BoxFuture;
use sqlx::mysql::{MySqlConnection, MySqlRow};
use sqlx::{AssertSqlSafe, MySql, QueryBuilder, Row};

use super::begin::begin_text;
use super::error::{DUPLICATE_KEY, number};
use super::name::{lock_of, table};
use super::open_attempt::OpenAttempt;
use super::savepoint::{SavepointOutcome, run_unless_rolled_back};
use super::statement::{READ_COMMITTED, ROLLBACK, run};
use crate::model::record::RecordName;
use crate::store::batch::{BatchStore, MessageProbe};
use crate::store::records::{FORMAT, NewRecord, micros};
use crate::store::row::joined_record;

impl BatchStore for MySql {
    fn claim_all<'a>(
        conn: &'a mut MySqlConnection,
        attempt: &'a mut OpenAttempt,
        names: &'a [&'a RecordName],
    ) -> BoxFuture<'a, sqlx::Result<Vec<MessageProbe>>> {
        Box::pin(async move {
            attempt.locks = names.iter().map(|name| name.lock_id()).collect();
            let text = claim_text(attempt, names);
            // First the rows of the locks, then as many rows of records.
            let rows = sqlx::raw_sql(AssertSqlSafe(text)).fetch_all(conn).await?;
            let (free, found) = rows
                .split_at_checked(names.len())
                .ok_or(sqlx::Error::RowNotFound)?;
            if found.len() != names.len() {
                return Err(sqlx::Error::RowNotFound);
            }
            let mut seen = Vec::with_capacity(names.len());
            for (is_free, row) in in_order(free)?.into_iter().zip(in_order(found)?) {
                seen.push(MessageProbe {
                    is_free: is_free.try_get("free")?,
                    found: joined_record(row)?,
                    has_failed: row.try_get("has_failed")?,
                });
            }
            Ok(seen)
        })
    }

    fn insert_all<'a>(
        conn: &'a mut MySqlConnection,
        records: &'a [NewRecord<'a>],
    ) -> BoxFuture<'a, sqlx::Result<bool>> {
        Box::pin(async move {
            if records.is_empty() {
                return Ok(true);
            }
            match insert(conn, records).await {
                Err(error) if number(&error) == Some(DUPLICATE_KEY) => {}
                inserted => return inserted.map(|()| true),
            }
            // A row is in the way: one that has expired, or one that another node has committed.
            let names: Vec<_> = records.iter().map(|record| record.name).collect();
            run(conn, delete_expired_text(&names)).await?;
            match insert(conn, records).await {
                Err(error) if number(&error) == Some(DUPLICATE_KEY) => Ok(false),
                inserted => inserted.map(|()| true),
            }
        })
    }

    fn savepoint<'a>(
        conn: &'a mut MySqlConnection,
        text: &'static str,
    ) -> BoxFuture<'a, sqlx::Result<bool>> {
        Box::pin(async move {
            match run_unless_rolled_back(conn, text).await? {
                SavepointOutcome::Done => Ok(true),
                SavepointOutcome::RolledBackBefore => Ok(false),
            }
        })
    }
}

/// Tries the locks of many messages, then reads their records, then begins the transaction.
///
/// As for one message, the records are read before the transaction that the handlers see: its
/// isolation may read what never commits, or lock the gaps that others insert into.
fn claim_text(attempt: &OpenAttempt, names: &[&RecordName]) -> String {
    let numbered = attempt.locks.iter().enumerate();
    let tried = numbered.map(|(number, lock)| format!("select {number} as number, '{lock}' as id"));
    format!(
        "select l.number, coalesce(get_lock({}, 0), 0) as free from ({}) as l limit {}; \
         {ROLLBACK}; {READ_COMMITTED}select n.number, exists(select 1 from idem_dead_letter as d \
           where d.scope = n.scope and d.operation = n.operation and d.`key` = n.`key`) as has_failed, \
         r.format, r.fingerprint_version, r.fingerprint, r.status, r.headers, r.body, \
         r.reference, r.expires_at <= utc_timestamp(6) as expired, \
         timestampdiff(microsecond, r.created_at, utc_timestamp(6)) div 1000 as age \
         from ({}) as n left join idem_record as r \
         on r.scope = n.scope and r.operation = n.operation and r.`key` = n.`key` limit {}; \
         {ROLLBACK}; {}",
        lock_of("l.id"),
        tried.collect::<Vec<_>>().join(" union all "),
        names.len(),
        table(names),
        names.len(),
        begin_text(attempt)
    )
}

/// The rows by their number: the server may join them in another order.
fn in_order(rows: &[MySqlRow]) -> sqlx::Result<Vec<&MySqlRow>> {
    let mut numbered = Vec::with_capacity(rows.len());
    for row in rows {
        numbered.push((row.try_get::<i64, _>("number")?, row));
    }
    numbered.sort_unstable_by_key(|(number, _)| *number);
    Ok(numbered.into_iter().map(|(_, row)| row).collect())
}

/// Inserts all records with one statement, which fails as a whole on the first duplicate.
async fn insert(conn: &mut MySqlConnection, records: &[NewRecord<'_>]) -> sqlx::Result<()> {
    let mut insert = QueryBuilder::<MySql>::new(
        "insert into idem_record (scope, operation, `key`, attempt, format, \
           fingerprint_version, fingerprint, status, headers, `body`, reference, created_at, \
           expires_at) ",
    );
    insert.push_values(records, |mut row, record| {
        let (version, digest) = record.fingerprint.stored();
        row.push_bind(record.name.scope.as_str().as_bytes())
            .push_bind(record.name.operation.as_str().as_bytes())
            .push_bind(record.name.key.as_str().as_bytes())
            .push_bind(record.attempt)
            .push_bind(FORMAT)
            .push_bind(version)
            .push_bind(digest)
            .push_bind(record.status())
            .push("''")
            .push("''")
            .push_bind(record.reference())
            .push("utc_timestamp(6)")
            .push("utc_timestamp(6) + interval ")
            .push_bind_unseparated(micros(record.ttl))
            .push_unseparated(" microsecond");
    });
    insert.build().execute(conn).await.map(|_| ())
}

/// Deletes the expired records of these names. It takes no lock on a gap where a record is missing.
///
/// `straight_join` makes the server look each name up by the primary key. A plan that begins with
/// the records would scan the table, and lock what it reads.
fn delete_expired_text(names: &[&RecordName]) -> String {
    format!(
        "/*M!100000 set statement sql_safe_updates = 0 for */ delete r from ({}) as n \
         straight_join idem_record as r on r.scope = n.scope and r.operation = n.operation \
         and r.`key` = n.`key` where r.expires_at <= utc_timestamp(6)",
        table(names)
    )
}
