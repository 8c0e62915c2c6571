//! Many messages in one transaction of MariaDB or MySQL.

use futures_util::future::BoxFuture;
use sqlx::mysql::{MySqlConnection, MySqlRow};
use sqlx::{AssertSqlSafe, MySql, QueryBuilder, Row};

use super::error::{DUPLICATE_KEY, Ran, number, run_unless_rolled_back};
use super::{Opened, flag, message, stored};
use crate::RecordName;
use crate::store::{Batches, FORMAT, NewRecord, Seen};

impl Batches for MySql {
    fn claim_all<'a>(
        conn: &'a mut MySqlConnection,
        opened: &'a mut Opened,
        names: &'a [&'a RecordName],
    ) -> BoxFuture<'a, sqlx::Result<Vec<Seen>>> {
        Box::pin(async move {
            opened.locks = names.iter().map(|name| name.lock_id()).collect();
            let text = message::claim_all(opened, names);
            // The rows of the locks, then as many of the records.
            let rows = sqlx::raw_sql(AssertSqlSafe(text)).fetch_all(conn).await?;
            let (free, found) = rows
                .split_at_checked(names.len())
                .ok_or(sqlx::Error::RowNotFound)?;
            if found.len() != names.len() {
                return Err(sqlx::Error::RowNotFound);
            }
            let mut seen = Vec::with_capacity(names.len());
            for (is_free, row) in in_order(free)?.into_iter().zip(in_order(found)?) {
                let format = row.try_get::<Option<i16>, _>("format")?;
                seen.push(Seen {
                    is_free: flag(is_free, "free")?,
                    found: format.map(|_| stored(row)).transpose()?,
                    has_failed: flag(row, "has_failed")?,
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
            // What has expired is in the way, or what another node has committed.
            let names: Vec<_> = records.iter().map(|record| record.name).collect();
            super::run(conn, message::delete_expired(&names)).await?;
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
                Ran::Done => Ok(true),
                Ran::RolledBackBefore => Ok(false),
            }
        })
    }
}

/// The server may join them in another order.
fn in_order(rows: &[MySqlRow]) -> sqlx::Result<Vec<&MySqlRow>> {
    let mut numbered = Vec::with_capacity(rows.len());
    for row in rows {
        numbered.push((row.try_get::<i64, _>("number")?, row));
    }
    numbered.sort_unstable_by_key(|(number, _)| *number);
    Ok(numbered.into_iter().map(|(_, row)| row).collect())
}

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
            .push_bind(i16::try_from(record.completion.status).unwrap_or(i16::MAX))
            .push("''")
            .push("''")
            .push_bind(record.reference())
            .push("utc_timestamp(6)")
            .push("utc_timestamp(6) + interval ")
            .push_bind_unseparated(i64::try_from(record.ttl.as_micros()).unwrap_or(i64::MAX))
            .push_unseparated(" microsecond");
    });
    insert.build().execute(conn).await.map(|_| ())
}
