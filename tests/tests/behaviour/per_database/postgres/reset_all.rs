//! A handler that resets all session settings on Postgres does not break its transaction.

use idem_axum::RolloutMode;
use sqlx::Pool;

use super::session::{LIMIT_NAMES, LIMITS};
use super::support::app::{engine, has_paid, payment};
use super::support::statements::app;
use super::{Db, TestDb};

#[tokio::test]
async fn a_handler_that_resets_all_settings_is_completed_and_replayed() {
    let db = TestDb::new().await;
    engine(&db).await.pool().close().await;
    let limits = LIMIT_NAMES.map(|name| (name, "7s"));
    let pool = db.pool_with(1, &limits).await;
    let idem = idem_axum::Idempotency::new(pool.clone());
    let app = app(idem.clone(), std::sync::Arc::default());
    for mode in [RolloutMode::Enforce, RolloutMode::Observe] {
        idem.rollout().set("*", mode);
        for sql in ["reset all", "set local work_mem = '1MB'; reset all"] {
            let pay = payment("/act").key(&format!("{mode}-{}", sql.len()));
            let paid = pay.clone().header("x-sql", sql).send(&app).await;
            assert!(has_paid(&paid), "{mode} {sql}: {paid:?}");
            assert_eq!(limits_of(&pool).await, "7s 7s", "{mode} {sql}");
            idem.rollout().set("*", RolloutMode::Enforce);
            let retry = pay.send(&app).await;
            assert!(retry.is_replay(), "{mode} {sql}: {retry:?}");
            idem.rollout().set("*", mode);
        }
    }
    assert_eq!(db.payments().await, 4);
}

async fn limits_of(pool: &Pool<Db>) -> String {
    sqlx::query_scalar(LIMITS).fetch_one(pool).await.unwrap()
}
