//! What an attempt is answered with, and what is noted of it.

use axum::response::Response;
use idem_core::{Completion, Error, Settings};
use tracing::Span;

use crate::{Rejection, capture};

/// What retries are told when the handler ended the transaction itself.
pub(crate) fn terminal(settings: Settings) -> Box<dyn FnOnce() -> Completion + Send> {
    Box::new(move || Rejection::TransactionBroken.into_completion(&settings))
}

pub(crate) fn replay(completion: &Completion, settings: &Settings) -> Response {
    match capture::replay(completion) {
        Some(response) => {
            outcome("replayed");
            response
        }
        None => refuse(Rejection::RecordUnreadable, settings),
    }
}

pub(crate) fn refuse(rejection: Rejection, settings: &Settings) -> Response {
    outcome(rejection.name());
    rejection.into_response(settings)
}

/// Logs a failure with its cause, which the client is not told.
pub(crate) fn failure(error: &Error) -> Rejection {
    let rejection = Rejection::from(error);
    if matches!(error, Error::Overloaded | Error::ShuttingDown) {
        // These come in storms, and the node's operator has brought them about.
        tracing::debug!(problem = rejection.name(), "an attempt was not admitted");
        return rejection;
    }
    let error: &(dyn std::error::Error + 'static) = error;
    tracing::warn!(
        error,
        problem = rejection.name(),
        "an attempt was not carried through"
    );
    rejection
}

pub(crate) fn outcome(outcome: &'static str) {
    Span::current().record("outcome", outcome);
}
