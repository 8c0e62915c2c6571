//! The RFC 9457 problems of failed requests.

use axum::Json;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde_json::json;
use utoipa::ToSchema;

use crate::object::Object;

/// A refused or failed request.
#[derive(Debug)]
pub(crate) enum Problem {
    Invalid(String),
    Unauthorized,
    Declined,
    /// There is no such thing.
    NotFound(&'static str),
    RefundTooLarge,
    OutOfStock,
    /// The API was started without a card network.
    NoNetwork,
    /// The card network has not answered: with the same key it is asked again.
    NetworkUnavailable(String),
    /// A webhook that its sender has not signed, or too long ago.
    Forged,
    /// A webhook with the id of another one.
    EventReused,
    /// A webhook that is delivered again later.
    Later,
    /// The database rolled back for another transaction: try again.
    Busy(sqlx::Error),
    /// The database cannot be reached, or does not answer in time.
    Unavailable(Option<sqlx::Error>),
    Failed(Option<sqlx::Error>),
}

impl From<sqlx::Error> for Problem {
    fn from(error: sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(|error| error.code());
        let code = code.unwrap_or_default().into_owned();
        // SQLSTATE: rolled back because of another transaction.
        if code.starts_with("40") {
            return Self::Busy(error);
        }
        let is_connection_lost = match &error {
            sqlx::Error::Io(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => true,
            // SQLSTATE: connection exceptions, shutdowns, terminated connections.
            _ => ["08", "57P", "70100"]
                .iter()
                .any(|class| code.starts_with(class)),
        };
        // A primary that is replaced takes no more writes, and the retry reaches the new one.
        match is_connection_lost || code == "25006" || is_read_only_mysql(&error) {
            true => Self::Unavailable(Some(error)),
            false => Self::Failed(Some(error)),
        }
    }
}

impl From<idem_axum::Error> for Problem {
    /// What Idem could not do for an operator, or show. A handler never sees this error: its response is Idem's.
    fn from(error: idem_axum::Error) -> Self {
        use idem_axum::Error;
        let cause: &dyn std::error::Error = &error;
        tracing::warn!(
            error = cause,
            "Idem could not read or change what it has stored"
        );
        match error {
            Error::Unavailable(_) | Error::ReadOnly | Error::TimedOut | Error::TryAgain(_) => {
                Self::Unavailable(None)
            }
            _ => Self::Failed(None),
        }
    }
}

/// MySQL says so by the number 1290, under an SQLSTATE of many meanings.
#[cfg(feature = "mysql")]
fn is_read_only_mysql(error: &sqlx::Error) -> bool {
    let error = error.as_database_error();
    let error = error.and_then(|error| error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>());
    error.is_some_and(|error| error.number() == 1290)
}

#[cfg(not(feature = "mysql"))]
fn is_read_only_mysql(_: &sqlx::Error) -> bool {
    false
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, title, detail) = match self {
            Self::Invalid(detail) => (StatusCode::BAD_REQUEST, "The request is invalid", detail),
            Self::Unauthorized => {
                let detail = "Send a known key as `Authorization: Bearer …`.".to_owned();
                (
                    StatusCode::UNAUTHORIZED,
                    "Who is asking is not known",
                    detail,
                )
            }
            Self::Declined => {
                let detail = "The card was declined. Nothing was charged.".to_owned();
                (
                    StatusCode::PAYMENT_REQUIRED,
                    "The payment was declined",
                    detail,
                )
            }
            Self::NotFound(thing) => {
                let detail = format!("There is no such {thing}.");
                (StatusCode::NOT_FOUND, "Not found", detail)
            }
            Self::RefundTooLarge => {
                let detail = "Refunds cannot exceed the payment.".to_owned();
                (StatusCode::CONFLICT, "The refund is too large", detail)
            }
            Self::OutOfStock => {
                let detail = "Fewer are left. Nothing was reserved.".to_owned();
                (StatusCode::CONFLICT, "Out of stock", detail)
            }
            Self::NoNetwork => {
                let detail = "Start the API with `--card-network URL` for this token.".to_owned();
                (StatusCode::BAD_REQUEST, "There is no card network", detail)
            }
            Self::NetworkUnavailable(error) => {
                tracing::warn!(error, "the card network does not answer");
                let detail = "Send the same request again: a card is charged once.".to_owned();
                (
                    StatusCode::SERVICE_UNAVAILABLE,
                    "The card network does not answer",
                    detail,
                )
            }
            Self::Forged => {
                let detail = "Sign it with the shared secret, within the last minutes.".to_owned();
                (StatusCode::FORBIDDEN, "Not signed by the sender", detail)
            }
            Self::EventReused => {
                let detail = "Nothing was changed. Give each event an id of its own.".to_owned();
                (
                    StatusCode::UNPROCESSABLE_ENTITY,
                    "The id was used for another event",
                    detail,
                )
            }
            Self::Later => {
                let detail = "Nothing was changed. Deliver the same event again.".to_owned();
                (
                    StatusCode::SERVICE_UNAVAILABLE,
                    "The event cannot be handled yet",
                    detail,
                )
            }
            Self::Busy(error) => {
                tracing::warn!(?error, "a request must be sent again");
                let detail = "Nothing was changed. Send the same request again.".to_owned();
                (
                    StatusCode::SERVICE_UNAVAILABLE,
                    "The database is busy",
                    detail,
                )
            }
            Self::Unavailable(error) => {
                tracing::warn!(?error, "the database does not answer");
                let detail = "It does not answer in time. Send the same request again.".to_owned();
                (
                    StatusCode::SERVICE_UNAVAILABLE,
                    "The database is not available",
                    detail,
                )
            }
            Self::Failed(error) => {
                tracing::error!(?error, "a request failed");
                let detail = "Nothing was changed.".to_owned();
                (
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "The request failed",
                    detail,
                )
            }
        };
        let problem = json!({ "title": title, "status": status.as_u16(), "detail": detail });
        let mut response = (status, problem.to_string()).into_response();
        let json = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            let second = HeaderValue::from_static("1");
            response.headers_mut().insert(header::RETRY_AFTER, second);
        }
        if status == StatusCode::UNAUTHORIZED {
            let bearer = HeaderValue::from_static("Bearer");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, bearer);
        }
        response
    }
}

/// The body of a problem, for the API's document.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct ProblemDocument {
    title: String,
    status: u16,
    detail: String,
}

/// A body that is a JSON object; any other body gets 400.
#[derive(Debug)]
pub(crate) struct Body<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match Json::from_request(request, state).await {
            Ok(Json(Object(body))) => Ok(Self(body)),
            Err(rejection) => Err(Problem::Invalid(rejection.body_text())),
        }
    }
}

/// A parameter of the path; an invalid one gets 400.
#[derive(Debug)]
pub(crate) struct InPath<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for InPath<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(parameter)) => Ok(Self(parameter)),
            Err(rejection) => Err(Problem::Invalid(rejection.body_text())),
        }
    }
}

/// A query; an invalid one gets 400.
#[derive(Debug)]
pub(crate) struct Filter<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Filter<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(filter)) => Ok(Self(filter)),
            Err(rejection) => Err(Problem::Invalid(rejection.body_text())),
        }
    }
}
