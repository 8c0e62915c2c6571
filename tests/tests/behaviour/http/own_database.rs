//! Every test has its own database.

use sqlx::Pool;

use super::{Db, INSERT_PAYMENT, TestDb};

#[tokio::test]
async fn a_payment_is_seen_by_another_pool() {
    let db = TestDb::new().await;
    pay(&db.pool().await).await;
    assert_eq!(db.payments().await, 1);
}

#[tokio::test]
async fn databases_do_not_share_payments() {
    let (mine, other) = (TestDb::new().await, TestDb::new().await);
    pay(&mine.pool().await).await;
    assert_eq!(other.payments().await, 0);
}

async fn pay(pool: &Pool<Db>) {
    let id: i64 = sqlx::query_scalar(INSERT_PAYMENT)
        .bind("acme")
        .bind(100_i64)
        .bind("order 1")
        .fetch_one(pool)
        .await
        .unwrap();
    assert_eq!(id, 1);
}
