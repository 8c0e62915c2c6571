//! Records expire by the database's clock, and go when their scope is erased.

use std::time::Duration;

use axum::routing::post;
use axum::{Json, Router};
use idem_axum::engine::RecordFilter;
use idem_axum::{Scope, Tx, idempotent};

use super::support::app::{
    AppState, NewPayment, Paid, Tenant, app, engine, has_paid, once_it_is_over, pay, payment,
};
use super::{Db, TestDb, age_records};

#[tokio::test]
async fn an_expired_record_is_replaced() {
    let db = TestDb::new().await;
    let idem = engine(&db).await;
    let app = app(idem.clone());
    let pay = payment("/payments").key("k");
    assert!(has_paid(&pay.send(&app).await));
    age_records(idem.pool()).await;
    let second = pay.send(&app).await;
    assert!(has_paid(&second));
    let retry = pay.send(&app).await;
    assert!(retry.is_replay(), "{retry:?}");
    assert_eq!(retry.body, second.body);
    assert_eq!(db.payments().await, 2);
}

#[idempotent(scope = "tenant", ttl = "2h")]
async fn pay_for_two_hours(
    Tenant(tenant): Tenant,
    mut tx: Tx<Db>,
    Json(new): Json<NewPayment>,
) -> Paid {
    pay(&mut tx, &tenant, new).await
}

#[tokio::test]
async fn a_record_expires_after_the_ttl_of_its_operation() {
    let db = TestDb::new().await;
    let idem = engine(&db).await;
    let routes = Router::new().route("/payments", post(pay_for_two_hours));
    let app = routes.with_state(AppState::new(idem.clone()));
    assert!(has_paid(&payment("/payments").key("k").send(&app).await));
    let found = idem.records(&RecordFilter::default(), None, 2).await;
    let [record] = &found.unwrap()[..] else {
        panic!()
    };
    let lives = record.expires_at.duration_since(record.stored_at).unwrap();
    // Postgres stamps the one at the transaction's beginning, the other at the statement's.
    let wanted = Duration::from_secs(2 * 3600);
    assert!(
        (wanted..wanted + Duration::from_secs(60)).contains(&lives),
        "{lives:?}"
    );
}

/// A lock that outlived its attempt would keep the other node out.
#[tokio::test]
async fn an_expired_record_is_replaced_by_another_node() {
    let db = TestDb::new().await;
    let (one, other) = (engine(&db).await, engine(&db).await);
    let pay = payment("/payments").key("k");
    assert!(has_paid(&pay.send(&app(one.clone())).await));
    age_records(one.pool()).await;
    assert!(has_paid(&once_it_is_over(&pay, &app(other)).await));
    assert_eq!(db.payments().await, 2);
}

#[tokio::test]
async fn a_failed_attempt_on_an_expired_record_leaves_the_key_free() {
    let db = TestDb::new().await;
    let idem = engine(&db).await;
    let app = app(idem.clone());
    let pay = payment("/then").key("k");
    assert!(has_paid(&pay.send(&app).await));
    age_records(idem.pool()).await;
    let failed = pay.clone().header("x-then", "409").send(&app).await;
    assert_eq!(failed.status, 409, "{failed:?}");
    assert!(has_paid(&pay.send(&app).await));
    assert_eq!(db.payments().await, 2);
}

#[tokio::test]
async fn a_different_request_may_reuse_the_key_of_an_expired_record() {
    let db = TestDb::new().await;
    let idem = engine(&db).await;
    let app = app(idem.clone());
    let pay = payment("/payments").key("k");
    assert!(has_paid(&pay.send(&app).await));
    let other = pay.body(r#"{"amount":6}"#);
    assert_eq!(other.send(&app).await.status, 422);
    age_records(idem.pool()).await;
    assert!(has_paid(&other.send(&app).await));
    assert_eq!(db.payments().await, 2);
}

#[tokio::test]
async fn sweeping_deletes_only_expired_records() {
    let db = TestDb::new().await;
    let idem = engine(&db).await;
    let app = app(idem.clone());
    for key in ["a", "b"] {
        assert!(has_paid(&payment("/payments").key(key).send(&app).await));
    }
    age_records(idem.pool()).await;
    let live = payment("/payments").key("c");
    assert!(has_paid(&live.send(&app).await));
    assert_eq!(idem.sweep().await.unwrap(), 2);
    assert_eq!(idem.sweep().await.unwrap(), 0);
    assert!(live.send(&app).await.is_replay());
    assert_eq!(db.payments().await, 3);
}

#[tokio::test]
async fn erasing_a_scope_spares_the_others() {
    let db = TestDb::new().await;
    let idem = engine(&db).await;
    let app = app(idem.clone());
    let mine = payment("/payments").key("k");
    assert!(has_paid(&mine.send(&app).await));
    assert_eq!(
        idem.erase(&Scope::new("other").unwrap(), "test")
            .await
            .unwrap(),
        0
    );
    assert!(mine.send(&app).await.is_replay());
    assert_eq!(
        idem.erase(&Scope::new("acme").unwrap(), "test")
            .await
            .unwrap(),
        1
    );
    assert!(has_paid(&mine.send(&app).await));
    assert_eq!(db.payments().await, 2);
}
