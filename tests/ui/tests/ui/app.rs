//! An application for the cases beside: a state, a scope, a body, an answer.
#![allow(warnings)]

use std::borrow::Cow;

pub use axum::extract::{FromRequestParts, Path, Request, State};
pub use axum::http::request::Parts;
pub use axum::http::{HeaderMap, StatusCode};
pub use axum::response::{IntoResponse, Response};
pub use axum::routing::post;
pub use axum::{Json, Router};
pub use idem_axum::{HasIdempotency, Idempotency, ScopeKey, Tx, idempotent};
pub use serde::{Deserialize, Serialize};
pub use sqlx::{Postgres, Sqlite};

#[derive(Clone, HasIdempotency)]
#[scopes(tenant = Tenant)]
pub struct AppState {
    pub idem: Idempotency<Sqlite>,
}

pub struct Tenant(pub String);

impl<S: Sync> FromRequestParts<S> for Tenant {
    type Rejection = StatusCode;

    async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Self, StatusCode> {
        Err(StatusCode::UNAUTHORIZED)
    }
}

impl ScopeKey for Tenant {
    fn scope_key(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.0)
    }
}

#[derive(Deserialize, Serialize)]
pub struct Payment {
    pub amount: i64,
}

pub struct ApiError;

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }
}

impl From<sqlx::Error> for ApiError {
    fn from(_: sqlx::Error) -> Self {
        Self
    }
}
