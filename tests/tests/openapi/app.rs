//! A handle without a database, and handlers in each place where they can stand.

use std::borrow::Cow;

use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use idem_axum::{HasIdempotency, HttpOptions, Idempotency, IdempotencyBuilder, ScopeKey, Tx};
use idem_axum::{OperationPolicy, Policies, PublishPolicies, idempotent};
use serde_json::Value;
use sqlx::{Sqlite, SqlitePool};
use utoipa::OpenApi;

#[derive(Clone, HasIdempotency)]
#[scopes(tenant = Tenant)]
pub struct AppState {
    pub idem: Idempotency<Sqlite>,
}

pub struct Tenant;

impl<S: Sync> FromRequestParts<S> for Tenant {
    type Rejection = StatusCode;

    async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Self, StatusCode> {
        Ok(Self)
    }
}

impl ScopeKey for Tenant {
    fn scope_key(&self) -> Cow<'_, str> {
        Cow::Borrowed("acme")
    }
}

/// Pays.
#[utoipa::path(post, path = "/above/{id}", responses((status = 201, description = "Paid.")))]
#[idempotent(scope = "tenant", ttl = "48h", state = AppState)]
pub async fn above(_tx: Tx<Sqlite>, Json(_): Json<i64>) -> StatusCode {
    StatusCode::CREATED
}

/// Pays.
#[idempotent(scope = "tenant", ttl = "48h", state = AppState)]
#[utoipa::path(post, path = "/below/{id}", responses((status = 201, description = "Paid.")))]
pub async fn below(_tx: Tx<Sqlite>, Json(_): Json<i64>) -> StatusCode {
    StatusCode::CREATED
}

/// Everything that an operation can say of itself.
#[utoipa::path(
    put,
    path = "/options",
    params(("X-Request-Key" = String, Header, description = "Ours.")),
    responses(
        (status = 200, description = "Done."),
        (status = "3XX", description = "Elsewhere."),
        (status = 402, description = "Declined.", body = i64, content_type = "application/problem+json"),
        (status = 404, description = "Unknown."),
        (status = 409, description = "Too much.", body = i64, content_type = "application/problem+json"),
    )
)]
#[idempotent(
    scope = "global",
    operation = "payments.option",
    key = optional,
    fingerprint = "json",
    fingerprint_headers = ["X-Currency"],
    store = "2xx, 402",
    in_flight = "wait 1s",
    late_retries = "refuse 30d",
    timeout = "1500ms",
    max_body = "64KiB",
    max_response = "1KiB",
)]
pub async fn options() -> StatusCode {
    StatusCode::OK
}

/// Not idempotent.
#[utoipa::path(post, path = "/free", responses((status = 200, description = "Done.")))]
pub async fn free() {}

/// A handle with these settings; nothing connects.
pub fn handle(
    set: impl FnOnce(IdempotencyBuilder<Sqlite>) -> IdempotencyBuilder<Sqlite>,
) -> Idempotency<Sqlite> {
    let pool = SqlitePool::connect_lazy("sqlite::memory:").unwrap();
    set(Idempotency::builder(pool)).build()
}

/// The policy of the handler whose function has this path below this file's program.
pub fn policy_of<'a>(policies: &'a Policies, handler: &str) -> &'a OperationPolicy {
    let handler = format!("openapi::{handler}");
    let mut all = policies.operations.iter();
    let found = all.find(|operation| operation.handler == handler);
    found.unwrap_or_else(|| panic!("{handler} is registered"))
}

/// The document of an API, completed, as its reader gets it.
pub fn documented<Api: OpenApi>(idem: &Idempotency<Sqlite>) -> (Value, Policies) {
    let mut api = Api::openapi();
    let policies = idem.document(&mut api);
    let once = serde_json::to_value(&api).unwrap();
    idem.document(&mut api);
    assert_eq!(serde_json::to_value(&api).unwrap(), once, "a second call");
    (once, policies)
}

/// A handle whose key has another header.
pub fn with_own_header() -> Idempotency<Sqlite> {
    handle(|builder| builder.key_header("X-Request-Key").strict_keys())
}
