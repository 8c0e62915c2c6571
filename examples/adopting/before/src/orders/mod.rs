mod model;
mod repository;
mod service;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;

pub(crate) use self::model::{NewOrder, Order};
pub(crate) use self::repository::OrderRepository;
pub(crate) use self::service::OrderService;
use crate::auth::Claims;
use crate::error::ApiError;
use crate::json::ValidJson;

pub(crate) async fn place(
    State(orders): State<OrderService>,
    claims: Claims,
    ValidJson(new): ValidJson<NewOrder>,
) -> Result<(StatusCode, Json<Order>), ApiError> {
    let order = orders.place(&claims.sub, &new).await?;
    Ok((StatusCode::CREATED, Json(order)))
}

pub(crate) async fn show(
    State(orders): State<OrderService>,
    claims: Claims,
    Path(id): Path<i64>,
) -> Result<Json<Order>, ApiError> {
    orders.find(&claims.sub, id).await.map(Json)
}

pub(crate) async fn cancel(
    State(orders): State<OrderService>,
    claims: Claims,
    Path(id): Path<i64>,
) -> Result<Json<Order>, ApiError> {
    orders.cancel(&claims.sub, id).await.map(Json)
}
