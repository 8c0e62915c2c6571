//! Late retries at the isolation levels of a session: what a snapshot would hide.

use std::time::Duration;

use idem_axum::{Idempotency, Invalidated, RecordFilter};
use idem_tests::a_moment;
use sqlx::Executor;

use super::support::app::{app, has_paid, payment};
use super::{LOCK_RECORDS, TestDb, WAITS_FOR_RECORDS, age_records};

/// A sweep commits the tombstone after the operator's transaction has begun, and dies.
#[tokio::test]
async fn an_invalidation_that_meets_a_sweep_removes_the_tombstone_at_every_isolation_level() {
    for level in ["read committed", "repeatable read", "serializable"] {
        let db = TestDb::new().await;
        let settings = [("default_transaction_isolation", level)];
        let idem = Idempotency::builder(db.pool_with(5, &settings).await);
        let idem = idem.refuse_late_retries(Duration::from_secs(3600)).build();
        idem.migrate().await.unwrap();
        let (app, pay) = (app(idem.clone()), payment("/payments").key("k"));
        assert!(has_paid(&pay.send(&app).await));
        age_records(idem.pool()).await;
        let found = idem.records(&RecordFilter::default(), None, 1).await;
        let name = found.unwrap()[0].name.clone();
        let [lock, unlock] = LOCK_RECORDS;
        let sweeps = db.pool_of(2).await;
        let mut sweeper = sweeps.acquire().await.unwrap();
        sweeper.execute(sqlx::raw_sql(lock)).await.unwrap();
        let invalidated = tokio::spawn({
            let idem = idem.clone();
            async move { idem.invalidate(&name, "test").await }
        });
        while !waits(&sweeps).await {
            a_moment().await;
        }
        let leave = "insert into idem.tombstone (digest, expires_at) \
            select tombstone, refused_until from idem.record";
        sweeper.execute(sqlx::raw_sql(leave)).await.unwrap();
        sweeper.execute(sqlx::raw_sql(unlock)).await.unwrap();
        let invalidated = invalidated.await.unwrap().unwrap();
        assert_eq!(invalidated, Invalidated::Gone, "{level}");
        assert!(has_paid(&pay.send(&app).await), "{level}");
    }
}

async fn waits(pool: &sqlx::PgPool) -> bool {
    let waits = sqlx::query_scalar(WAITS_FOR_RECORDS);
    waits.fetch_one(pool).await.unwrap()
}
