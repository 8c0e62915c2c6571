//! Databases that hold responses before they are measured, put there by statements and not by requests.

use std::ops::Range;

use axum::http::StatusCode;
use idem_axum::Idempotency;
use sqlx::{AssertSqlSafe, Pool};

use super::endpoints::routes;
use super::{CREATE_KEYS, Db, KEY_COLUMN, NUMBERED_KEY, RECORDS, SETTLE, TestDb, age_records};
use crate::load::payment;
use crate::nodes::Node;

/// A database with this many stored responses, expired or not, and payments, and fresh planner statistics.
///
/// One response is stored by a request; the others are its copies, with the keys of
/// [`numbered`](crate::keys::numbered).
/// A plan made for an empty table would keep scanning the full one, hence the statistics.
pub(crate) async fn filled(node: Node, stored: u64, have_expired: bool) -> TestDb {
    let db = TestDb::new().await;
    let pool = db.pool_of(1).await;
    Idempotency::new(pool.clone()).migrate().await.unwrap();
    for create in [CREATE_KEYS, CREATE_DIGITS, INSERT_DIGITS, CREATE_NUMBERS] {
        sqlx::query(create).execute(&pool).await.unwrap();
    }
    let storing = match node {
        Node::ByHand => Node::ByHand,
        _ => Node::Idem,
    };
    let answer = payment("/payments", TEMPLATE);
    let answer = answer.send(&routes(storing, pool.clone(), None)).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    if have_expired {
        age_records(&pool).await;
    }
    copy_response(storing, &pool, 0..stored).await;
    insert_payments(&pool, stored.min(MOST_PAYMENTS)).await;
    settle(&pool).await;
    pool.close().await;
    db
}

/// Stores copies of the first response under the keys with these numbers.
pub(crate) async fn copy_response(node: Node, pool: &Pool<Db>, numbers: Range<u64>) {
    let table = table_of(node);
    let columns = match node {
        Node::ByHand => KEY_COLUMNS,
        _ => RECORD_COLUMNS,
    };
    for chunk in chunks(numbers) {
        let copies = format!(
            "insert into {table} ({KEY_COLUMN}, {columns}) select {NUMBERED_KEY}, {columns} \
             from {table}, {chunk} where {KEY_COLUMN} = '{TEMPLATE}'"
        );
        run(pool, copies).await;
    }
}

/// The table in which a node stores responses. The bare one reads what Idem has stored.
pub(crate) fn table_of(node: Node) -> &'static str {
    match node {
        Node::ByHand => "idempotency_key",
        _ => RECORDS,
    }
}

async fn insert_payments(pool: &Pool<Db>, count: u64) {
    for chunk in chunks(0..count) {
        let payments = format!(
            "insert into payment (tenant, amount, reference) \
             select 'acme', 1250, 'order 17' from {chunk}"
        );
        run(pool, payments).await;
    }
}

async fn run(pool: &Pool<Db>, statement: String) {
    let statement = sqlx::raw_sql(AssertSqlSafe(statement));
    statement.execute(pool).await.unwrap();
}

/// Tables of one column `n`, which together have these numbers.
fn chunks(numbers: Range<u64>) -> impl Iterator<Item = String> {
    let end = numbers.end;
    let chunk = move |first| {
        format!("(select {first} + n as n from number where {first} + n < {end}) as numbers")
    };
    numbers.step_by(CHUNK).map(chunk)
}

/// Brings the database to rest, so that what filling it has left undone is not measured.
pub(crate) async fn settle(pool: &Pool<Db>) {
    for statement in SETTLE {
        sqlx::query(*statement).execute(pool).await.unwrap();
    }
}

/// Their table is the same on all sides, however many keys are stored.
const MOST_PAYMENTS: u64 = 10_000;

const TEMPLATE: &str = "template";

const RECORD_COLUMNS: &str = "scope, operation, attempt, format, fingerprint_version, fingerprint, \
    status, headers, body, reference, created_at, expires_at";

const KEY_COLUMNS: &str = "scope, fingerprint, status, headers, body, created_at";

/// How many numbers the table `number` has.
const CHUNK: usize = 10_000;

const CREATE_DIGITS: &str = "create table digit (d bigint not null)";

const INSERT_DIGITS: &str =
    "insert into digit (d) values (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)";

const CREATE_NUMBERS: &str = "create table number as \
    select a.d + 10 * b.d + 100 * c.d + 1000 * e.d as n \
    from digit a cross join digit b cross join digit c cross join digit e";
