//! The application under test.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use idem_axum::{HasIdempotency, Idempotency, Tx, idempotent};
use tokio::sync::Barrier;

use super::Db;

#[derive(Clone, HasIdempotency)]
pub struct Shop {
    pub idem: Idempotency<Db>,
    pub supplier: Supplier,
}

/// In production a client of somebody's API; in a test one that can be held.
#[derive(Clone, Default)]
pub struct Supplier(pub Option<Arc<Barrier>>);

impl Supplier {
    async fn reserve(&self) {
        if let Some(barrier) = &self.0 {
            barrier.wait().await; // the test sees that the handler runs,
            barrier.wait().await; // and lets it go on
        }
    }
}

#[idempotent(scope = "global", ttl = "24h", plain = create_order_plain)]
pub async fn create_order(
    State(shop): State<Shop>,
    mut tx: Tx<'_, Db>,
    Json(name): Json<String>,
) -> Result<StatusCode, StatusCode> {
    let insert = sqlx::query("insert into item (name) values ($1)").bind(&name);
    let inserted = insert.execute(&mut *tx).await;
    inserted.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    shop.supplier.reserve().await;
    if name.is_empty() {
        return Err(StatusCode::UNPROCESSABLE_ENTITY);
    }
    Ok(StatusCode::CREATED)
}

pub fn app(shop: Shop) -> Router {
    let routes = Router::new().route("/orders", post(create_order));
    routes.with_state(shop)
}
