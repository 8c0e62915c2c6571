//! Records end: by the database's clock, or because a scope is erased.

use idem_axum::Scope;

use super::app::{app, engine, has_paid, payment};
use super::{TestDb, age_records};

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
async fn another_request_may_take_the_key_of_an_expired_record() {
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
async fn sweeping_deletes_what_is_expired_and_nothing_else() {
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
