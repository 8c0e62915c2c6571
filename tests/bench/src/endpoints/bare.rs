//! Endpoints without protection: a write in a transaction, a read by primary key, a response alone.

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use sqlx::Pool;

use super::{Db, Failed, NewPayment, Payment, READ_ANSWER, insert};

pub(super) fn routes(pool: Pool<Db>) -> Router {
    Router::new()
        .route("/payments", post(pay))
        .route("/answers/{key}", get(read))
        .route("/nothing", post(nothing))
        .with_state(pool)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the bare transaction is what Idem is compared with"
)]
async fn pay(
    State(pool): State<Pool<Db>>,
    Json(new): Json<NewPayment>,
) -> Result<(StatusCode, Json<Payment>), Failed> {
    let mut tx = pool.begin().await?;
    let payment = insert(&mut tx, new).await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(payment)))
}

async fn read(
    State(pool): State<Pool<Db>>,
    Path(key): Path<String>,
) -> Result<impl IntoResponse, Failed> {
    let answer = sqlx::query_as(READ_ANSWER).bind(key);
    let (status, body): (i16, Vec<u8>) = answer.fetch_one(&pool).await?;
    let status = StatusCode::from_u16(status.unsigned_abs())?;
    Ok((status, [(header::CONTENT_TYPE, "application/json")], body))
}

async fn nothing(Json(new): Json<NewPayment>) -> (StatusCode, Json<Payment>) {
    (StatusCode::CREATED, Json(Payment::new(1, new)))
}
