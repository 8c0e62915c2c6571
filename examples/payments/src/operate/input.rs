//! What a page is asked for: a query, a form. An invalid one gets a page that says so.

use axum::extract::{Form, FromRequest, FromRequestParts, Query, Request};
use axum::http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::operate::failure::Failure;
use crate::operate::operator::Operator;

/// The query of the address.
#[derive(Debug)]
pub(super) struct InQuery<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for InQuery<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(query)) => Ok(Self(query)),
            Err(rejection) => Err(Failure::invalid(rejection.body_text())),
        }
    }
}

/// The fields of a form.
#[derive(Debug)]
pub(super) struct InForm<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for InForm<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        match Form::from_request(request, state).await {
            Ok(Form(form)) => Ok(Self(form)),
            Err(rejection) => Err(Failure::of_status(
                rejection.status(),
                rejection.body_text(),
            )),
        }
    }
}

/// The fields of each form that changes what cannot be changed back.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Consent {
    reason: String,
    confirmed: Option<String>,
}

impl Consent {
    /// Who wants it and why, for the audit log.
    ///
    /// # Errors
    ///
    /// The box was not ticked, or the reason is not one.
    pub(super) fn by(&self, operator: &Operator) -> Result<String, Failure> {
        match self.confirmed {
            Some(_) => operator.because(&self.reason),
            None => Err(Failure::invalid(
                "Nothing was changed: tick the box that confirms it.",
            )),
        }
    }
}
