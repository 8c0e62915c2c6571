//! Handlers without a transaction: duplicates are refused, but their effects are not rolled back.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use idem_axum::{Idempotency, idempotent};
use idem_tests::http::{Answer, Attempt};
use serde_json::Value;
use tokio::time::timeout;

use super::support::app::{AppState, Gate, Payment, Tenant, engine, has_paid, payment, problem};
use super::{Db, INSERT_PAYMENT, TestDb, idem_on};

/// Pays through the pool, then does what `x-then` says.
#[idempotent(
    scope = "tenant",
    operation = "pay",
    max_response = "1KiB",
    store = "2xx, 402"
)]
async fn pay_by_pool(
    State(state): State<AppState>,
    Tenant(tenant): Tenant,
    headers: HeaderMap,
    _: Bytes,
) -> Result<Response, StatusCode> {
    let paid = pay(&state, &tenant).await;
    match headers.get("x-then").map(|then| then.as_bytes()) {
        None => {}
        Some(b"409") => return Err(StatusCode::CONFLICT),
        Some(b"402") => return Err(StatusCode::PAYMENT_REQUIRED),
        Some(b"panic") => panic!("asked to"),
        Some(b"long") => return Ok("long".repeat(1024).into_response()),
        Some(b"gate") => {
            state.gate.entered.notify_one();
            state.gate.open.notified().await;
        }
        other => panic!("{other:?}"),
    }
    Ok(paid)
}

/// The same operation with a timeout that its claim does not reach on a busy machine.
#[idempotent(scope = "tenant", operation = "pay", timeout = "2s")]
async fn pay_in_time(State(state): State<AppState>, Tenant(tenant): Tenant, _: Bytes) -> Response {
    pay(&state, &tenant).await;
    std::future::pending().await
}

#[idempotent(scope = "tenant", key = "optional")]
async fn pay_with_optional_key(
    State(state): State<AppState>,
    Tenant(tenant): Tenant,
    _: Bytes,
) -> Response {
    pay(&state, &tenant).await
}

#[idempotent(scope = "tenant", key = "optional")]
async fn count_running(State(state): State<AppState>) -> String {
    state.idem.running().to_string()
}

#[idempotent(scope = "tenant")]
async fn enter(State(state): State<AppState>) {
    state.gate.entered.notify_one();
}

async fn pay(state: &AppState, tenant: &str) -> Response {
    let id = sqlx::query_scalar(INSERT_PAYMENT)
        .bind(tenant)
        .bind(5_i64)
        .bind("-")
        .fetch_one(state.idem.pool())
        .await
        .unwrap();
    (StatusCode::CREATED, Json(Payment { id, amount: 5 })).into_response()
}

#[tokio::test]
async fn a_handler_without_a_tx_can_write_through_the_pool_and_is_replayed() {
    let (db, app, _) = start().await;
    let pay = payment("/pool").key("k");
    let first = pay.send(&app).await;
    assert!(has_paid(&first), "{first:?}");
    let retry = pay.send(&app).await;
    assert!(retry.is_replay(), "{retry:?}");
    assert_eq!((retry.status, retry.body), (first.status, first.body));
    assert_eq!(pay.body("other").send(&app).await.status, 422);
    assert_eq!(db.payments().await, 1);
}

#[tokio::test]
async fn a_duplicate_is_refused_while_a_handler_without_a_tx_runs() {
    let (db, app, gate) = start().await;
    let pay = then("gate");
    let mut first = tokio::spawn({
        let (pay, app) = (pay.clone(), app.clone());
        async move { pay.send(&app).await }
    });
    tokio::select! {
        () = gate.entered.notified() => {}
        answer = &mut first => panic!("it did not get to the gate: {answer:?}"),
    }
    let duplicate = pay.send(&app).await;
    assert_eq!(problem(&duplicate), (409, "in-flight".to_owned()));
    let other = pay.clone().body("other").send(&app).await;
    assert_eq!(problem(&other), (422, "key-reused".to_owned()));
    // Its claim shuts no other writer out.
    assert!(has_paid(&payment("/optional").send(&app).await));
    gate.open.notify_one();
    let first = first.await.unwrap();
    assert!(has_paid(&first), "{first:?}");
    let retry = pay.send(&app).await;
    assert!(retry.is_replay(), "{retry:?}");
    assert_eq!(db.payments().await, 2);
}

#[tokio::test]
async fn a_failed_handler_without_a_tx_frees_the_key_and_keeps_its_effects() {
    let (db, app, _) = start().await;
    assert_eq!(then("409").send(&app).await.status, 409);
    let failed = then("panic").send(&app).await;
    assert_eq!(problem(&failed), (500, "handler-panicked".to_owned()));
    assert!(!says_nothing_was_done(&failed), "{failed:?}");
    assert_eq!(db.payments().await, 2);
    assert!(has_paid(&payment("/pool").key("k").send(&app).await));
    assert_eq!(db.payments().await, 3);
}

#[tokio::test]
async fn a_handler_without_a_tx_runs_once_even_if_its_response_cannot_be_stored() {
    let (db, app, _) = start().await;
    let lost = then("long").send(&app).await;
    assert_eq!(problem(&lost), (500, "response-lost".to_owned()));
    assert_eq!(lost.json::<Value>()["retryable"], false);
    let retry = then("long").send(&app).await;
    assert_eq!((retry.status.as_u16(), retry.is_replay()), (500, true));
    assert_eq!(retry.body, lost.body);
    assert_eq!(db.payments().await, 1);
}

#[tokio::test]
async fn a_stored_error_of_a_handler_without_a_tx_is_replayed() {
    let (db, app, _) = start().await;
    assert_eq!(then("402").send(&app).await.status, 402);
    let retry = then("402").send(&app).await;
    assert_eq!((retry.status.as_u16(), retry.is_replay()), (402, true));
    assert_eq!(db.payments().await, 1);
}

#[tokio::test]
async fn a_timeout_of_a_handler_without_a_tx_frees_the_key() {
    let (_db, app, _) = start().await;
    let pay = payment("/in-time").key("k");
    let stopped = pay.send(&app).await;
    assert_eq!(problem(&stopped), (503, "timeout".to_owned()));
    assert!(!says_nothing_was_done(&stopped), "{stopped:?}");
    assert!(has_paid(&pay.path("/pool").send(&app).await));
}

#[tokio::test]
async fn a_handler_without_a_tx_runs_every_time_without_its_optional_key() {
    let (db, app, _) = start().await;
    let pay = payment("/optional");
    for attempt in [&pay, &pay, &pay.clone().key("k")] {
        assert!(has_paid(&attempt.send(&app).await));
    }
    assert!(pay.key("k").send(&app).await.is_replay());
    assert_eq!(db.payments().await, 3);
}

#[tokio::test]
async fn a_handler_without_a_tx_counts_as_running_with_and_without_a_key() {
    let (_db, app, _) = start().await;
    for attempt in [payment("/running"), payment("/running").key("k")] {
        assert_eq!(attempt.send(&app).await.body, "1");
    }
}

#[tokio::test]
async fn a_handler_without_a_tx_does_not_run_without_the_database() {
    let db = TestDb::new().await;
    let state = AppState::new(idem_on(db.pool().await).build());
    state.idem.pool().close().await;
    let gate = Arc::clone(&state.gate);
    let app = Router::new().route("/enter", post(enter)).with_state(state);
    let refused = payment("/enter").key("k").send(&app).await;
    assert_eq!(problem(&refused), (503, "store-unavailable".to_owned()));
    let entered = timeout(Duration::ZERO, gate.entered.notified()).await;
    assert!(entered.is_err(), "it ran unprotected");
}

/// Whether it claims that nothing was done; false here, since no rollback reaches the effects.
fn says_nothing_was_done(answer: &Answer) -> bool {
    let said = answer.json::<Value>()["detail"].to_string();
    said.contains("rolled back") || said.contains("othing was done")
}

/// With four connections: each attempt may hold one, and its writes need another.
async fn start() -> (TestDb, Router, Arc<Gate>) {
    let db = TestDb::new().await;
    engine(&db).await;
    let (app, gate) = app(idem_on(db.pool_of(4).await).build());
    (db, app, gate)
}

pub fn app(idem: Idempotency<Db>) -> (Router, Arc<Gate>) {
    let state = AppState::new(idem);
    let gate = Arc::clone(&state.gate);
    let routes = Router::new()
        .route("/pool", post(pay_by_pool))
        .route("/in-time", post(pay_in_time))
        .route("/optional", post(pay_with_optional_key))
        .route("/running", post(count_running));
    (routes.with_state(state), gate)
}

/// A payment with the key `k` whose handler then does this.
pub fn then(then: &str) -> Attempt {
    payment("/pool").key("k").header("x-then", then)
}
