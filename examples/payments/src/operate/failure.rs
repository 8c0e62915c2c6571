//! The page of a request that was refused or has failed: it says what to do.

use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use idem_axum::Error;
use maud::html;

use crate::layout;
use crate::problem::Problem;

/// Why there is nothing else to show.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    title: &'static str,
    /// What is wrong, and the cure.
    text: String,
}

impl Failure {
    fn new(status: StatusCode, title: &'static str, text: impl Into<String>) -> Self {
        let text = text.into();
        Self {
            status,
            title,
            text,
        }
    }

    pub(super) fn invalid(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "The request is invalid", text)
    }

    pub(super) fn of_status(status: StatusCode, text: impl Into<String>) -> Self {
        Self::new(status, "The request is invalid", text)
    }

    pub(super) fn unauthorized(text: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Who operates?", text)
    }

    pub(super) fn forbidden(text: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "Refused", text)
    }

    pub(super) fn not_found(text: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "Not found", text)
    }

    /// Several things have the name that was given.
    pub(super) fn ambiguous(text: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "Several match", text)
    }

    /// The database has accepted a statement and says nothing.
    pub(super) fn timed_out() -> Self {
        Self::unavailable(
            "It does not answer in time. If you have changed something, look whether it took effect before you do it \
             again.",
        )
    }

    fn unavailable(text: impl Into<String>) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "The database is not available",
            text,
        )
    }

    fn failed(text: impl Into<String>) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "The request failed",
            text,
        )
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let cause: &dyn std::error::Error = &error;
        tracing::warn!(error = cause, "the operator's request has failed");
        match error {
            Error::Unavailable(_) | Error::Overloaded | Error::ShuttingDown | Error::TimedOut => {
                Self::unavailable(
                    "Nothing was changed. Look whether the database runs and has Idem's tables, as \
                     `payments idem check` says, and load the page again.",
                )
            }
            Error::ReadOnly => Self::unavailable(
                "Nothing was changed: it takes no writes at the moment, as a standby does. Try again when the API \
                 is connected to the primary.",
            ),
            Error::TryAgain(_) => {
                Self::unavailable("Nothing was changed: another transaction came first. Try again.")
            }
            Error::OutcomeUnknown => Self::unavailable(
                "The connection broke while the change was committed: look whether it took effect, and do it again if not.",
            ),
            Error::Unreadable => Self::failed(
                "This process cannot read the record: start it with the record's encryption key, or with the \
                 build that has written it.",
            ),
            _ => Self::failed("Nothing was changed. The API's log says why."),
        }
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        match problem {
            Problem::Invalid(text) => Self::invalid(text),
            Problem::Unavailable(_) | Problem::Busy(_) => {
                Self::unavailable("Look whether the database runs, and try again.")
            }
            _ => Self::failed("The API's log says why."),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let content = html! {
            h1 { (self.title) }
            p { (idem_cli::printable(&self.text)) }
            p { a href="/operate" { "To the overview" } }
        };
        let mut response = layout::page(self.title, "/operate", &content);
        *response.status_mut() = self.status;
        let (name, value) = match self.status {
            StatusCode::SERVICE_UNAVAILABLE => (RETRY_AFTER, "1"),
            StatusCode::UNAUTHORIZED => (
                WWW_AUTHENTICATE,
                "Basic realm=\"operate\", charset=\"UTF-8\"",
            ),
            _ => return response,
        };
        let value = HeaderValue::from_static(value);
        response.headers_mut().insert(name, value);
        response
    }
}
