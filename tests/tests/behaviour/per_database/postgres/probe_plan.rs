//! The plan with which Postgres looks for a record.

use std::sync::Arc;

use idem_axum::Idempotency;
use sqlx::Pool;

use super::support::app::{engine, payment};
use super::support::statements::app;
use super::{Db, TestDb};

#[tokio::test]
async fn the_probe_uses_the_index_even_if_it_was_planned_on_an_empty_table() {
    let db = TestDb::new().await;
    engine(&db).await.pool().close().await;
    let pool = db.pool_of(1).await;
    let app = app(Idempotency::new(pool.clone()), Arc::default());
    sqlx::query("vacuum analyze idem.record")
        .execute(&pool)
        .await
        .unwrap();
    let before = scans(&pool).await;
    // Enough for the server to keep a plan.
    for key in 0..10 {
        let pay = payment("/act").key(&key.to_string());
        let ask = "select current_setting('enable_seqscan')";
        let paid = pay.header("x-ask", ask).send(&app).await;
        assert_eq!(paid.body, "on", "the handler's own plans are its own");
    }
    assert_eq!(scans(&pool).await, before);
}

/// The number of sequential scans of the records.
async fn scans(pool: &Pool<Db>) -> i64 {
    let flush = sqlx::query("select pg_stat_force_next_flush()");
    flush.execute(pool).await.unwrap();
    sqlx::query_scalar(
        "select seq_scan from pg_stat_user_tables where schemaname = 'idem' and relname = 'record'",
    )
    .fetch_one(pool)
    .await
    .unwrap()
}
