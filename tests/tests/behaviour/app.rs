//! The application that the behaviour tests send requests to.

use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::routing::post;
use axum::{Router, extract::State};
use idem_axum::{HasIdempotency, Idempotency, ScopeKey, Tx, idempotent};
use serde::{Deserialize, Serialize};

use super::{Db, INSERT_PAYMENT};

/// The state of the application.
#[derive(Clone, HasIdempotency)]
#[scopes(tenant = Tenant)]
pub struct AppState {
    pub idem: Idempotency<Db>,
}

/// Who is authenticated: `Authorization: Bearer <tenant>`.
#[derive(Debug)]
pub struct Tenant(pub String);

impl ScopeKey for Tenant {
    fn scope_key(&self) -> std::borrow::Cow<'_, str> {
        self.0.as_str().into()
    }
}

impl<S: Sync> FromRequestParts<S> for Tenant {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, StatusCode> {
        let header = parts.headers.get("authorization").and_then(|value| value.to_str().ok());
        let token = header.and_then(|value| value.strip_prefix("Bearer "));
        token.map(|tenant| Self(tenant.to_owned())).ok_or(StatusCode::UNAUTHORIZED)
    }
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct NewPayment {
    pub amount: i64,
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Payment {
    pub id: i64,
    pub amount: i64,
}

#[idempotent(scope = "tenant", ttl = "24h")]
pub async fn create_payment(
    State(_): State<AppState>,
    Tenant(tenant): Tenant,
    mut tx: Tx<Db>,
    Json(new): Json<NewPayment>,
) -> Result<(StatusCode, Json<Payment>), StatusCode> {
    let id = sqlx::query_scalar(INSERT_PAYMENT)
        .bind(&tenant)
        .bind(new.amount)
        .bind("-")
        .fetch_one(&mut *tx)
        .await
        .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    let amount = new.amount;
    Ok((StatusCode::CREATED, Json(Payment { id, amount })))
}

pub fn app(idem: Idempotency<Db>) -> Router {
    Router::new().route("/payments", post(create_payment)).with_state(AppState { idem })
}
