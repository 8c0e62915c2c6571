//! Databases that hold responses before they are measured, put there by statements and not by requests.

use axum::http::StatusCode;
use idem_axum::Idempotency;
use sqlx::{AssertSqlSafe, Pool};

use super::endpoints::routes;
use super::{CREATE_KEYS, Db, KEY_COLUMN, NUMBERED_KEY, RECORDS, SETTLE, TestDb};
use crate::load::payment;
use crate::sides::Node;

/// A database with this many stored responses and payments, and fresh planner statistics.
///
/// One response is stored by a request; the others are its copies, with the keys of [`numbered`](crate::keys::numbered).
/// A plan made for an empty table would keep scanning the full one, hence the statistics.
pub(crate) async fn filled(node: Node, stored: u64) -> TestDb {
    let db = TestDb::new().await;
    let pool = db.pool_of(1).await;
    Idempotency::new(pool.clone()).migrate().await.unwrap();
    for create in [CREATE_KEYS, CREATE_DIGITS, INSERT_DIGITS, CREATE_NUMBERS] {
        sqlx::query(create).execute(&pool).await.unwrap();
    }
    // The bare side reads what Idem has stored.
    let storing = match node {
        Node::ByHand => Node::ByHand,
        _ => Node::Idem,
    };
    let answer = payment("/payments", TEMPLATE);
    let answer = answer.send(&routes(storing, pool.clone())).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    fill(storing, &pool, 0..stored).await;
    settle(&pool).await;
    pool.close().await;
    db
}

/// Stores copies of the first response under the keys with these numbers.
pub(crate) async fn fill(storing: Node, pool: &Pool<Db>, numbers: std::ops::Range<u64>) {
    let (table, columns) = match storing {
        Node::ByHand => ("idempotency_key", KEY_COLUMNS),
        _ => (RECORDS, RECORD_COLUMNS),
    };
    for first in numbers.clone().step_by(CHUNK) {
        let chunk = format!(
            "(select {first} + n as n from number where {first} + n < {}) as numbers",
            numbers.end
        );
        let copies = format!(
            "insert into {table} ({KEY_COLUMN}, {columns}) select {NUMBERED_KEY}, {columns} \
             from {table}, {chunk} where {KEY_COLUMN} = '{TEMPLATE}'"
        );
        let payments = format!(
            "insert into payment (tenant, amount, reference) \
             select 'acme', 1250, 'order 17' from {chunk}"
        );
        for insert in [copies, payments] {
            let insert = sqlx::raw_sql(AssertSqlSafe(insert));
            insert.execute(pool).await.unwrap();
        }
    }
}

/// Brings the database to rest, so that what filling it has left undone is not measured.
pub(crate) async fn settle(pool: &Pool<Db>) {
    for statement in SETTLE {
        sqlx::query(*statement).execute(pool).await.unwrap();
    }
}

const TEMPLATE: &str = "template";

const RECORD_COLUMNS: &str = "scope, operation, attempt, format, fingerprint_version, fingerprint, \
    status, headers, body, reference, created_at, expires_at";

const KEY_COLUMNS: &str = "scope, fingerprint, status, headers, body, created_at";

/// How many numbers the table `number` has.
const CHUNK: usize = 100_000;

const CREATE_DIGITS: &str = "create table digit (d bigint not null)";

const INSERT_DIGITS: &str =
    "insert into digit (d) values (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)";

const CREATE_NUMBERS: &str = "create table number as \
    select a.d + 10 * b.d + 100 * c.d + 1000 * e.d + 10000 * f.d as n \
    from digit a cross join digit b cross join digit c cross join digit e cross join digit f";
