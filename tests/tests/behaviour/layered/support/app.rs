//! The application of the behaviour tests, with layers.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::{any, post};
use axum::{Json, Router};
use idem_axum::{Idempotency, IdempotencyLayer, LayerTx, WhileRunning};

pub use super::super::super::support::app::*;
use super::Db;

const DAY: Duration = Duration::from_secs(24 * 3600);

async fn create(Tenant(tenant): Tenant, mut tx: LayerTx<Db>, Json(new): Json<NewPayment>) -> Paid {
    pay(&mut tx.tx(), &tenant, new).await
}

async fn create_then(
    Tenant(tenant): Tenant,
    headers: HeaderMap,
    mut tx: LayerTx<Db>,
    Json(new): Json<NewPayment>,
) -> Paid {
    create_then_plainly(Tenant(tenant), headers, tx.tx(), Json(new)).await
}

async fn create_in_time(
    Tenant(tenant): Tenant,
    mut tx: LayerTx<Db>,
    Json(new): Json<NewPayment>,
) -> Paid {
    let _paid = pay(&mut tx.tx(), &tenant, new).await;
    std::future::pending().await
}

async fn create_at_gate(
    State(state): State<AppState>,
    Tenant(tenant): Tenant,
    mut tx: LayerTx<Db>,
    Json(new): Json<NewPayment>,
) -> Paid {
    let paid = pay(&mut tx.tx(), &tenant, new).await;
    state.gate.entered.notify_one();
    state.gate.open.notified().await;
    paid
}

pub fn app(idem: Idempotency<Db>) -> Router {
    app_with(idem, Arc::default())
}

/// The routes of the attribute's application that these tests ask for.
pub fn app_with(idem: Idempotency<Db>, gate: Arc<Gate>) -> Router {
    let state = AppState { idem, gate };
    let layer = || IdempotencyLayer::scoped::<Tenant, _>(&state).with_tx();
    let wait = |seconds| WhileRunning::Wait(Duration::from_secs(seconds));
    let pay_in_time = || layer().operation("pay-in-time");
    Router::new()
        .route("/payments", any(create).layer(layer().ttl(DAY)))
        .route(
            "/waiting",
            post(create).layer(layer().ttl(DAY).while_running(wait(5))),
        )
        .route(
            "/optional",
            post(create).layer(layer().ttl(DAY).key_optional()),
        )
        .route(
            "/then",
            post(create_then).layer(layer().ttl(DAY).store(&[402])),
        )
        .route(
            "/in-time",
            post(create_in_time).layer(pay_in_time().timeout(Duration::from_millis(200))),
        )
        .route("/in-any-time", post(create).layer(pay_in_time()))
        .route(
            "/gate",
            post(create_at_gate).layer(layer().ttl(DAY).while_running(wait(20))),
        )
        .with_state(state)
}
