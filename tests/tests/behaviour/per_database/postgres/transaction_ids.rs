//! How many transaction ids an attempt on Postgres takes: a savepoint that is written behind takes one more.

use std::sync::Arc;

use sqlx::Pool;

use super::support::app::{engine, has_paid, payment};
use super::support::statements::app;
use super::{Db, TestDb};

#[tokio::test]
async fn a_first_write_takes_one_transaction_id() {
    let db = TestDb::new().await;
    let idem = engine(&db).await;
    let pool = idem.pool().clone();
    let paid = payment("/act")
        .key("k")
        .send(&app(idem, Arc::default()))
        .await;
    assert!(has_paid(&paid), "{paid:?}");
    assert_eq!(writers(&pool).await, 1);
}

/// The transactions and savepoints that have written the payments and the records.
async fn writers(pool: &Pool<Db>) -> i64 {
    let writers = "select count(distinct xmin) from \
        (select xmin::text from payment union all select xmin::text from idem.record) as written";
    sqlx::query_scalar(writers).fetch_one(pool).await.unwrap()
}
