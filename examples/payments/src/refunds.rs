//! Refunds: never more than the payment, once per key.

use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::post;
use axum::{Json, Router};
use idem_axum::{Tx, idempotent};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::AppState;
use crate::auth::Tenant;
use crate::check;
use crate::database::Db;
use crate::event::{Event, Kind};
use crate::outbox;
use crate::problem::{Body, InPath, Problem, ProblemDocument};
use crate::sql;

pub(crate) fn routes() -> Router<AppState> {
    Router::new().route("/payments/{id}/refunds", post(create))
}

/// The refund that a client requests.
#[derive(Debug, Deserialize, ToSchema)]
struct NewRefund {
    /// In the smallest unit of the payment's currency.
    #[schema(minimum = 1, maximum = 99_999_999)]
    amount: i64,
}

/// A refund as clients see it.
#[derive(Debug, Serialize, ToSchema, sqlx::FromRow)]
pub(crate) struct Refund {
    id: i64,
    payment_id: i64,
    amount: i64,
    created_at: String,
}

/// Refunds a part of a payment.
#[utoipa::path(
    post,
    path = "/payments/{id}/refunds",
    operation_id = "create_refund",
    params(("id" = i64, Path, description = "The payment.")),
    request_body = NewRefund,
    responses(
        (status = 201, description = "The refund was made.", body = Refund),
        (status = 400, description = "The request is invalid.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 401, description = "The caller is not known.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 404, description = "There is no such payment.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 409, description = "The refund exceeds the payment.", body = ProblemDocument, content_type = "application/problem+json"),
    ),
)]
#[idempotent(scope = tenant, ttl = "24h", state = AppState)]
async fn create(
    Tenant(tenant): Tenant,
    InPath(id): InPath<i64>,
    mut tx: Tx<Db>,
    Body(new): Body<NewRefund>,
) -> Result<impl IntoResponse, Problem> {
    check::amount("amount", new.amount)?;
    let found: Option<String> = sqlx::query_scalar(sql::CURRENCY)
        .bind(tenant)
        .bind(id)
        .fetch_optional(&mut *tx)
        .await?;
    let currency = found.ok_or(Problem::NotFound("payment"))?;
    // One statement checks and counts, so two concurrent refunds cannot exceed the payment.
    let counted = sqlx::query(sql::COUNT_REFUND)
        .bind(new.amount)
        .bind(id)
        .bind(new.amount)
        .execute(&mut *tx)
        .await?;
    if counted.rows_affected() == 0 {
        return Err(Problem::RefundTooLarge);
    }
    let refund = sql::insert_refund(&mut tx, id, new.amount).await?;
    let refunded = Event {
        kind: Kind::Refunded,
        tenant: tenant.to_owned(),
        payment: id,
        amount: new.amount,
        currency,
    };
    outbox::write(&mut tx, &refunded).await?;
    tx.reference(refund.id.to_string())
        .map_err(|_| Problem::Failed(None))?;
    Ok((StatusCode::CREATED, Json(refund)))
}
