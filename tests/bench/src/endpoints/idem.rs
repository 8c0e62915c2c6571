//! The handler with the attribute.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use idem_axum::{
    HasIdempotency, Idempotency, IdempotencyBuilder, RolloutMode, RolloutPlan, Tx, idempotent,
};
use sqlx::Pool;

use super::slow::insert_slowly;
use super::{Db, Failed, NewPayment, Payment, insert};

pub(super) fn routes(pool: Pool<Db>, mode: RolloutMode) -> Router {
    routes_of(Idempotency::builder(pool).rollout(RolloutPlan::new(mode)))
}

/// As [`routes`], on a node that remembers its completions.
pub(super) fn remembering_routes(pool: Pool<Db>) -> Router {
    routes_of(Idempotency::builder(pool).replay_memory(64 * 1024 * 1024))
}

/// As [`routes`], on a node that merges the messages of an attempt.
pub(super) fn merging_routes(pool: Pool<Db>) -> Router {
    routes_of(Idempotency::builder(pool).merge_messages(true))
}

fn routes_of(idem: IdempotencyBuilder<Db>) -> Router {
    let idem = idem.build();
    Router::new()
        .route("/payments", post(pay))
        .route("/slow", post(pay_slowly))
        .route("/sweep", post(sweep))
        .with_state(AppState { idem })
}

#[derive(Clone, HasIdempotency)]
struct AppState {
    idem: Idempotency<Db>,
}

#[idempotent(scope = "global", ttl = "24h")]
async fn pay(
    mut tx: Tx<Db>,
    Json(new): Json<NewPayment>,
) -> Result<(StatusCode, Json<Payment>), Failed> {
    Ok((StatusCode::CREATED, Json(insert(&mut tx, new).await?)))
}

/// Its duplicates wait for the response, as those of the hand-written one do.
#[idempotent(scope = "global", in_flight = "wait 30s")]
async fn pay_slowly(
    mut tx: Tx<Db>,
    Json(new): Json<NewPayment>,
) -> Result<(StatusCode, Json<Payment>), Failed> {
    Ok((
        StatusCode::CREATED,
        Json(insert_slowly(&mut tx, new).await?),
    ))
}

async fn sweep(State(app): State<AppState>) -> Result<String, Failed> {
    Ok(app.idem.sweep().await?.to_string())
}
