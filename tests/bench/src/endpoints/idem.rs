//! The handler with the attribute.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use idem_axum::{
    EncryptionKeys, HasIdempotency, Idempotency, RolloutMode, RolloutPlan, Tx, idempotent,
};
use sqlx::Pool;

use super::slow::insert_slowly;
use super::{Db, Failed, NewPayment, Payment, insert};
use crate::nodes::Node;

/// On a node of this kind.
pub(super) fn routes(node: Node, pool: Pool<Db>, max_attempts: Option<usize>) -> Router {
    let idem = Idempotency::builder(pool);
    let idem = match node {
        Node::Remembering => idem.replay_memory(64 * 1024 * 1024),
        Node::Merging => idem.merge_messages(true),
        Node::Observing => idem.rollout(RolloutPlan::new(RolloutMode::Observe)),
        // The key decides nothing about the time.
        Node::Encrypting => match EncryptionKeys::new("bench", &[7; 32]) {
            Ok(keys) => idem.encrypt_with(keys),
            Err(_) => idem,
        },
        Node::Off => idem.rollout(RolloutPlan::new(RolloutMode::Off)),
        _ => idem,
    };
    let idem = match max_attempts {
        Some(attempts) => idem.max_attempts(attempts),
        None => idem,
    };
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
