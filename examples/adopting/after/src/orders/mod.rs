mod model;
mod repository;
mod service;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use idem_axum::{Tx, idempotent};
use sqlx::Sqlite;

pub(crate) use self::model::{NewOrder, Order};
pub(crate) use self::repository::OrderRepository;
pub(crate) use self::service::OrderService;
use crate::auth::Claims;
use crate::error::ApiError;
use crate::json::ValidJson;
use crate::state::AppState;

#[idempotent(scope = claims, ttl = "24h", state = AppState)]
pub(crate) async fn place(
    State(orders): State<OrderService>,
    claims: Claims,
    mut tx: Tx<Sqlite>,
    ValidJson(new): ValidJson<NewOrder>,
) -> Result<(StatusCode, Json<Order>), ApiError> {
    let order = orders.place(&mut tx, &claims.sub, &new).await?;
    Ok((StatusCode::CREATED, Json(order)))
}

pub(crate) async fn show(
    State(orders): State<OrderService>,
    claims: Claims,
    Path(id): Path<i64>,
) -> Result<Json<Order>, ApiError> {
    orders.find(&claims.sub, id).await.map(Json)
}

#[idempotent(scope = claims, ttl = "24h", state = AppState)]
pub(crate) async fn cancel(
    State(orders): State<OrderService>,
    claims: Claims,
    mut tx: Tx<Sqlite>,
    Path(id): Path<i64>,
) -> Result<Json<Order>, ApiError> {
    orders.cancel(&mut tx, &claims.sub, id).await.map(Json)
}
