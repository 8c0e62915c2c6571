//! The measured endpoints: one with `#[idempotent]`, and the plain ones it is compared with.

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use idem_axum::{
    HasIdempotency, Idempotency, IdempotencyBuilder, RolloutMode, RolloutPlan, Tx, idempotent,
};
use serde::{Deserialize, Serialize};
use sqlx::{Database, Pool};

use super::{Db, INSERT_PAYMENT, READ_ANSWER};

pub(crate) fn idempotent_routes(pool: Pool<Db>, mode: RolloutMode) -> Router {
    routes_of(Idempotency::builder(pool).rollout(RolloutPlan::new(mode)))
}

/// As [`idempotent_routes`], on a node that remembers its completions.
pub(crate) fn remembering_routes(pool: Pool<Db>) -> Router {
    routes_of(Idempotency::builder(pool).replay_memory(64 * 1024 * 1024))
}

fn routes_of(idem: IdempotencyBuilder<Db>) -> Router {
    let idem = idem.build();
    Router::new()
        .route("/payments", post(pay_once))
        .with_state(AppState { idem })
}

#[derive(Clone, HasIdempotency)]
struct AppState {
    idem: Idempotency<Db>,
}

#[idempotent(scope = "global", ttl = "24h")]
async fn pay_once(mut tx: Tx<Db>, Json(new): Json<NewPayment>) -> Result<Created, Failed> {
    insert(&mut tx, new).await
}

pub(crate) fn bare_routes(pool: Pool<Db>) -> Router {
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
async fn pay(State(pool): State<Pool<Db>>, Json(new): Json<NewPayment>) -> Result<Created, Failed> {
    let mut tx = pool.begin().await?;
    let created = insert(&mut tx, new).await?;
    tx.commit().await?;
    Ok(created)
}

async fn read(
    State(pool): State<Pool<Db>>,
    Path(key): Path<String>,
) -> Result<impl IntoResponse, Failed> {
    let answer = sqlx::query_as(READ_ANSWER).bind(key);
    let (status, body): (i16, Vec<u8>) = answer.fetch_one(&pool).await?;
    let status = StatusCode::from_u16(status.unsigned_abs()).unwrap();
    Ok((status, [(header::CONTENT_TYPE, "application/json")], body))
}

async fn nothing(Json(new): Json<NewPayment>) -> Created {
    created(1, new)
}

#[derive(Deserialize, Serialize)]
pub(crate) struct NewPayment {
    pub(crate) amount: i64,
    pub(crate) reference: String,
}

#[derive(Serialize)]
struct Payment {
    id: i64,
    amount: i64,
    reference: String,
}

type Created = (StatusCode, Json<Payment>);

async fn insert(
    conn: &mut <Db as Database>::Connection,
    new: NewPayment,
) -> Result<Created, Failed> {
    let id = sqlx::query_scalar(INSERT_PAYMENT)
        .bind("acme")
        .bind(new.amount)
        .bind(&new.reference)
        .fetch_one(conn)
        .await?;
    Ok(created(id, new))
}

fn created(id: i64, NewPayment { amount, reference }: NewPayment) -> Created {
    let payment = Payment {
        id,
        amount,
        reference,
    };
    (StatusCode::CREATED, Json(payment))
}

/// A worker that gets this response panics with its text.
struct Failed(sqlx::Error);

impl From<sqlx::Error> for Failed {
    fn from(error: sqlx::Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, self.0.to_string()).into_response()
    }
}
