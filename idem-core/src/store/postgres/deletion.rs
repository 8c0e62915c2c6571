//! Deletes a limited number of rows of PostgreSQL.
//!
//! `DELETE` has no `LIMIT`, so the rows are selected first. How the deletion then names them depends on
//! the engine:
//!
//! | | by `ctid` | by name |
//! | --- | --- | --- |
//! | where | PostgreSQL itself | Citus, and engines that have no `ctid` |
//! | finds the rows | where they lie | by the three columns of the key: this takes three to four times as long |
//! | rows that others have locked | a sweep skips them | a sweep waits for them |
//!
//! Citus refuses `for update` in a query over several shards, and rows of two shards may have the same
//! `ctid`. By name, each shard deletes its own rows, and they commit together (two-phase commit).

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Executor};

use super::statement::{OwnTransaction, run, unnamed, value};

/// Deletes up to `limit` rows that have expired, the earliest first, and commits.
pub(super) async fn delete_expired(
    conn: &mut PgConnection,
    table: &str,
    name: &str,
    expired: &str,
    limit: i64,
) -> sqlx::Result<u64> {
    let limit = format!("order by expires_at limit {limit}");
    let text = match has_ctid(conn).await? {
        true => by_ctid(table, expired, &format!("{limit} for update skip locked")),
        false => by_name(table, name, expired, &limit),
    };
    run(conn, text).await
}

/// Writes the tombstones of up to `limit` expired records, and commits.
///
/// Tombstones are written in one order, so that two sweeps do not wait for each other in a circle. Only
/// records that leave one are locked: an [invalidation](crate::Idempotency::invalidate) must not delete
/// one between its being read and the COMMIT of its tombstone. The bound is on the expired records, so
/// that no batch reads more.
pub(super) async fn write_tombstones(conn: &mut PgConnection, limit: i64) -> sqlx::Result<()> {
    let due = format!("{EXPIRED} order by expires_at limit {limit}");
    let refused = match has_ctid(conn).await? {
        true => format!(
            "select tombstone, refused_until from idem.record where ctid = any(array( \
               select place from ( \
                 select ctid as place, refused_until as until from idem.record where {due}) as due \
               where until > statement_timestamp())) \
             and {EXPIRED} and refused_until > statement_timestamp() for update skip locked"
        ),
        false => format!("select tombstone, refused_until from idem.record where {due}"),
    };
    let text = format!(
        "insert into idem.tombstone as t (digest, expires_at) \
         select tombstone, refused_until from ({refused}) as refused \
         where refused_until > statement_timestamp() order by tombstone \
         on conflict (digest) do update set expires_at = excluded.expires_at \
         where t.expires_at < excluded.expires_at"
    );
    run(conn, text).await.map(|_| ())
}

/// The rows whose time is over.
pub(super) const EXPIRED: &str = "expires_at <= statement_timestamp()";
/// The columns that name a record.
pub(super) const RECORD_NAME: &str = "scope, operation, key";

/// Deletes up to `limit` rows of a scope, and commits.
pub(super) async fn delete_of_scope(
    conn: &mut PgConnection,
    table: &str,
    scope: &str,
    limit: i64,
) -> sqlx::Result<u64> {
    let of_scope = "scope = $1";
    let limit = format!("limit {limit} for update");
    let text = match has_ctid(conn).await? {
        true => by_ctid(table, of_scope, &limit),
        false => by_name(table, RECORD_NAME, of_scope, &limit),
    };
    let own = OwnTransaction::begin(conn).await?;
    let done = conn.execute(unnamed(AssertSqlSafe(text)).bind(scope)).await;
    Ok(own.end(conn, done).await?.rows_affected())
}

/// A subquery with `skip locked` may be evaluated again for each row of a join; `array(…)` is evaluated once.
/// In a partitioned table rows of two partitions may have the same `ctid`, so the condition is checked again.
fn by_ctid(table: &str, condition: &str, limit: &str) -> String {
    format!(
        "delete from {table} where ctid = any(array( \
           select ctid from {table} where {condition} {limit})) and {condition}"
    )
}

/// A row that was replaced meanwhile has the same name, so the condition is checked again.
fn by_name(table: &str, name: &str, condition: &str, limit: &str) -> String {
    format!(
        "delete from {table} where ({name}) in ( \
           select {name} from {table} where {condition} {limit}) and {condition}"
    )
}

/// Whether a `ctid` says where a row lies: not on Citus, whose tables have many places, on `YugabyteDB` or
/// on `CockroachDB`.
async fn has_ctid(conn: &mut PgConnection) -> sqlx::Result<bool> {
    let is_plain = "select version() like 'PostgreSQL %' and version() not like '%-YB-%' \
        and to_regclass('pg_catalog.pg_dist_partition') is null";
    value(conn, is_plain.to_owned()).await
}
