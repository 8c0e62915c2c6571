//! An application whose handlers run SQL that a test sends.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::{Json, Router};
use idem_axum::{Idempotency, Tx, idempotent};
use sqlx::AssertSqlSafe;

use super::Db;
use super::app::{AppState, Gate, NewPayment, Tenant, pay};

pub type Acted = Result<(StatusCode, String), StatusCode>;

/// Pays, then does what its headers say.
#[idempotent(scope = "tenant", ttl = "24h")]
async fn act(
    Tenant(tenant): Tenant,
    headers: HeaderMap,
    mut tx: Tx<Db>,
    Json(new): Json<NewPayment>,
) -> Acted {
    pay_and_act(&mut tx, &tenant, &headers, new).await
}

#[idempotent(scope = "tenant", ttl = "24h", timeout = "1s")]
async fn act_in_time(
    Tenant(tenant): Tenant,
    headers: HeaderMap,
    mut tx: Tx<Db>,
    Json(new): Json<NewPayment>,
) -> Acted {
    pay_and_act(&mut tx, &tenant, &headers, new).await
}

/// Waits at the gate without a transaction.
#[idempotent(scope = "tenant", ttl = "24h", in_flight = "wait 20s")]
async fn act_outside(State(state): State<AppState>) -> StatusCode {
    state.gate.entered.notify_one();
    state.gate.open.notified().await;
    StatusCode::CREATED
}

/// Pays, runs `x-sql`, and responds with the text that `x-ask` selects.
///
/// A failed statement gives a 409.
pub async fn pay_and_act(
    tx: &mut Tx<'_, Db>,
    tenant: &str,
    headers: &HeaderMap,
    new: NewPayment,
) -> Acted {
    let (status, _) = pay(tx, tenant, new).await?;
    let header = |name: &str| Some(headers.get(name)?.to_str().unwrap().to_owned());
    if let Some(sql) = header("x-sql") {
        let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut **tx).await;
        done.map_err(|_| StatusCode::CONFLICT)?;
    }
    let answer = match header("x-ask") {
        Some(ask) => sqlx::query_scalar(AssertSqlSafe(ask))
            .fetch_one(&mut **tx)
            .await
            .map_err(|_| StatusCode::CONFLICT)?,
        None => String::new(),
    };
    Ok((status, answer))
}

pub fn app(idem: Idempotency<Db>, gate: Arc<Gate>) -> Router {
    Router::new()
        .route("/act", post(act))
        .route("/act-in-time", post(act_in_time))
        .route("/outside", post(act_outside))
        .with_state(AppState { idem, gate })
}
