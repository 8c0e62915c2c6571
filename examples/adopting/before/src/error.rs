use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// What a client is told, as `{"code": …, "message": …}`.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    #[error("log in first")]
    NotAuthenticated,
    #[error("there is no such order")]
    NotFound,
    #[error("{0} is sold out")]
    SoldOut(String),
    #[error("the order is cancelled already")]
    Cancelled,
    #[error("{0}")]
    Invalid(String),
    #[error(transparent)]
    Body(#[from] JsonRejection),
    #[error("something went wrong")]
    Database(#[from] sqlx::Error),
}

#[derive(Serialize)]
struct ErrorBody {
    code: &'static str,
    message: String,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, code) = match &self {
            Self::NotAuthenticated => (StatusCode::UNAUTHORIZED, "not_authenticated"),
            Self::NotFound => (StatusCode::NOT_FOUND, "not_found"),
            Self::SoldOut(_) => (StatusCode::CONFLICT, "sold_out"),
            Self::Cancelled => (StatusCode::CONFLICT, "cancelled"),
            Self::Invalid(_) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid"),
            Self::Body(rejection) => (rejection.status(), "malformed"),
            Self::Database(error) => {
                tracing::error!("{error}");
                (StatusCode::INTERNAL_SERVER_ERROR, "internal")
            }
        };
        let message = self.to_string();
        (status, Json(ErrorBody { code, message })).into_response()
    }
}
