//! The application whose handlers run SQL that a test sends, with layers.

use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;
use axum::routing::post;
use axum::{Json, Router};
use idem_axum::{Idempotency, IdempotencyLayer, LayerTx};

use super::super::super::support::statements::{Acted, pay_and_act};
use super::Db;
use super::app::{AppState, Gate, NewPayment, Tenant};

async fn act(
    Tenant(tenant): Tenant,
    headers: HeaderMap,
    mut tx: LayerTx<Db>,
    Json(new): Json<NewPayment>,
) -> Acted {
    pay_and_act(&mut tx.tx(), &tenant, &headers, new).await
}

pub fn app(idem: Idempotency<Db>, gate: Arc<Gate>) -> Router {
    let state = AppState { idem, gate };
    let layer = || IdempotencyLayer::scoped::<Tenant, _>(&state).with_tx();
    let in_time = layer().timeout(Duration::from_secs(1));
    Router::new()
        .route("/act", post(act).layer(layer()))
        .route("/act-in-time", post(act).layer(in_time))
        .with_state(state)
}
