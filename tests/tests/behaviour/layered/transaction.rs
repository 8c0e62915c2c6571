//! The transaction of a layer, which a handler takes and gives back.

use std::sync::{Arc, Mutex};

use axum::http::StatusCode;
use axum::routing::post;
use axum::{Extension, Router};
use idem_axum::{IdempotencyLayer, LayerTx};

use super::support::app::{
    AppState, FIVE, Paid, Tenant, engine, has_paid, once_it_is_over, pay, payment, problem,
};
use super::{Db, KEEPS_NO_RECORD, TestDb};

/// Where a handler puts its transaction so that it outlives the response.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<LayerTx<Db>>>>);

async fn keeps(Extension(kept): Extension<Kept>, mut tx: LayerTx<Db>) -> Paid {
    let paid = pay(&mut tx.tx(), "acme", FIVE).await;
    kept.0.lock().unwrap().push(tx);
    paid
}

async fn takes_two(_first: LayerTx<Db>, _second: LayerTx<Db>) -> StatusCode {
    StatusCode::CREATED
}

/// Writes twice through it.
async fn writes_twice(mut tx: LayerTx<Db>) -> Paid {
    let _first = pay(&mut tx.tx(), "acme", FIVE).await?;
    pay(&mut tx.tx(), "acme", FIVE).await
}

async fn takes_none() -> StatusCode {
    StatusCode::CREATED
}

async fn panics_without_it() -> StatusCode {
    panic!("asked to")
}

async fn start() -> (TestDb, Kept, Router) {
    let db = TestDb::new().await;
    let state = AppState::new(engine(&db).await);
    let layer = || IdempotencyLayer::scoped::<Tenant, _>(&state).with_tx();
    let without = IdempotencyLayer::scoped::<Tenant, _>(&state);
    let kept = Kept::default();
    let app = Router::new()
        .route("/keeps", post(keeps).layer(layer()))
        .route("/two", post(takes_two).layer(layer()))
        .route("/twice", post(writes_twice).layer(layer()))
        .route("/none", post(takes_none).layer(layer()))
        .route("/panics", post(panics_without_it).layer(layer()))
        .route("/without", post(keeps).layer(without))
        .route("/outside", post(keeps))
        .layer(Extension(kept.clone()))
        .with_state(state);
    (db, kept, app)
}

#[tokio::test]
async fn a_transaction_that_a_handler_keeps_never_commits() {
    let (db, kept, app) = start().await;
    let refused = payment("/keeps").key("k").send(&app).await;
    assert_eq!(problem(&refused), (500, "misconfigured".to_owned()));
    assert_eq!(kept.0.lock().unwrap().len(), 1);
    // What it kept rolls back when it is dropped, and the key is free.
    kept.0.lock().unwrap().clear();
    let again = once_it_is_over(&payment("/keeps").key("k"), &app).await;
    assert_eq!(problem(&again), (500, "misconfigured".to_owned()));
    kept.0.lock().unwrap().clear();
    let refused = once_it_is_over(&payment("/keeps").key("other"), &app).await;
    assert_eq!(problem(&refused), (500, "misconfigured".to_owned()));
    kept.0.lock().unwrap().clear();
    assert_eq!(db.payments().await, 0);
}

#[tokio::test]
async fn a_handler_that_takes_no_transaction_of_its_layer_is_told_so() {
    let (db, _kept, app) = start().await;
    for path in ["/two", "/without", "/outside"] {
        let refused = payment(path).key("k").send(&app).await;
        assert_eq!(
            problem(&refused),
            (500, "misconfigured".to_owned()),
            "{path}"
        );
    }
    assert_eq!(db.payments().await, 0);
}

#[tokio::test]
async fn all_that_a_handler_writes_through_its_layers_transaction_commits_once() {
    let (db, _kept, app) = start().await;
    let pay = payment("/twice").key("k");
    assert!(has_paid(&pay.send(&app).await));
    assert!(pay.send(&app).await.is_replay());
    assert_eq!(db.payments().await, 2);
}

/// Its work is done outside, and the transaction that was open beside it cannot commit.
#[tokio::test]
async fn work_outside_of_a_transaction_that_fails_is_never_said_to_be_undone() {
    let (db, _kept, app) = start().await;
    sqlx::raw_sql(KEEPS_NO_RECORD)
        .execute(&db.pool().await)
        .await
        .unwrap();
    let failed = payment("/none").key("k").send(&app).await;
    assert_eq!(problem(&failed), (500, "done-not-recorded".to_owned()));
    // What was written through it is rolled back, and the problem says so.
    let failed = payment("/twice").key("k").send(&app).await;
    let text = String::from_utf8_lossy(&failed.body).into_owned();
    assert!(text.contains("was rolled back"), "{text}");
    assert_eq!(db.payments().await, 0);
}

#[tokio::test]
async fn a_handler_that_leaves_the_transaction_alone_is_replayed_too() {
    let (_db, _kept, app) = start().await;
    let attempt = payment("/none").key("k");
    assert_eq!(attempt.send(&app).await.status, 201);
    assert!(attempt.send(&app).await.is_replay());
    // What it did is not in the transaction, and its problem does not say that it was rolled back.
    let failed = payment("/panics").key("k").send(&app).await;
    assert_eq!(problem(&failed), (500, "handler-panicked".to_owned()));
    let text = String::from_utf8_lossy(&failed.body).into_owned();
    assert!(text.contains("may have taken effect"), "{text}");
}
