//! Sessions without autocommit, or with `sql_safe_updates`.

use idem_axum::{Idempotency, Scope};
use sqlx::Pool;

use super::servers::session_state::{settings, start};
use super::support::app::{has_paid, payment};
use super::{Db, age_records};

#[tokio::test]
async fn a_session_without_autocommit_stays_without_it() {
    let (db, pool, app) = start(&[("autocommit", "0")]).await;
    let before = settings(&pool).await;
    let pay = payment("/act").key("k");
    assert!(has_paid(&pay.send(&app).await));
    assert!(pay.send(&app).await.is_replay());
    assert_eq!(settings(&pool).await, before);
    assert_eq!(db.payments().await, 1);
}

#[tokio::test]
async fn deletes_in_a_session_without_autocommit_are_committed() {
    let (db, pool, app) = start(&[("autocommit", "0")]).await;
    let idem = Idempotency::new(pool);
    let others = db.pool_of(1).await;
    let pay = payment("/act").key("k");
    assert!(has_paid(&pay.send(&app).await));
    assert_eq!(
        idem.erase(&Scope::new("acme").unwrap(), "test")
            .await
            .unwrap(),
        1
    );
    assert_eq!(records(&others).await, 0);
    assert!(has_paid(&pay.send(&app).await));
    age_records(&others).await;
    assert_eq!(idem.sweep().await.unwrap(), 1);
    assert_eq!(records(&others).await, 0);
}

async fn records(pool: &Pool<Db>) -> i64 {
    let count = "select count(*) from idem_record";
    sqlx::query_scalar(count).fetch_one(pool).await.unwrap()
}

#[tokio::test]
async fn a_session_with_safe_updates_can_sweep_and_erase() {
    let (db, pool, app) = start(&[("sql_safe_updates", "1")]).await;
    assert!(has_paid(&payment("/act").key("k").send(&app).await));
    age_records(&db.pool_of(1).await).await;
    let idem = Idempotency::new(pool);
    assert_eq!(idem.sweep().await.unwrap(), 1);
    assert_eq!(
        idem.erase(&Scope::new("acme").unwrap(), "test")
            .await
            .unwrap(),
        0
    );
}
