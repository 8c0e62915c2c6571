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
    // A row has the id of the savepoint behind which it was written.
    let own_id = "select mod(pg_current_xact_id()::text::numeric, 4294967296)::text";
    let pay = payment("/act").key("k").header("x-ask", own_id);
    let paid = pay.send(&app(idem, Arc::default())).await;
    assert!(has_paid(&paid), "{paid:?}");
    let own_id = paid.body.to_vec();
    assert_eq!(writers(&pool).await, [own_id.clone(), own_id]);
}

/// The transactions or savepoints that have written the payment and the record.
async fn writers(pool: &Pool<Db>) -> Vec<Vec<u8>> {
    let writers =
        "select xmin::text::bytea from payment union all select xmin::text::bytea from idem.record";
    sqlx::query_scalar(writers).fetch_all(pool).await.unwrap()
}
