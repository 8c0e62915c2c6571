//! How the end of an attempt is answered, logged and counted.

use std::sync::Arc;

use axum::response::Response;
use idem_core::{Completion, Error, Operation, RolloutMode, metrics};
use tokio::time::Instant;
use tracing::Span;

use crate::response::capture;
use crate::spec::Spec;
use crate::{HttpSettings, Rejection};

/// What the end of an attempt depends on, and what logs and metrics say of it.
pub(crate) struct AttemptContext {
    pub(crate) spec: &'static Spec,
    pub(crate) http: Arc<HttpSettings>,
    pub(crate) mode: RolloutMode,
    /// `None` if it is not known, which only modes that do not enforce allow.
    pub(crate) operation: Option<Operation>,
    pub(crate) arrived: Instant,
    pub(crate) deadline: Instant,
    /// The attempt has a key.
    pub(crate) has_record: bool,
    /// Why it can have no record.
    pub(crate) obstacle: Option<Rejection>,
}

impl AttemptContext {
    /// The operation, or else the handler's path.
    pub(crate) fn operation(&self) -> &str {
        self.operation
            .as_ref()
            .map_or(self.spec.item, Operation::as_str)
    }

    /// The handler's own response.
    pub(crate) fn answer(&self, response: Response) -> Response {
        self.note("fresh");
        response
    }

    pub(crate) fn replay(&self, completion: &Completion) -> Response {
        match capture::replay(completion) {
            Some(response) => {
                self.note("replayed");
                response
            }
            None => self.refuse(Rejection::RecordUnreadable),
        }
    }

    pub(crate) fn refuse(&self, rejection: Rejection) -> Response {
        if self.mode != RolloutMode::Off {
            Span::current().record("problem", rejection.name());
        }
        self.note(rejection.outcome());
        rejection.into_response(&self.http)
    }

    /// Logs and counts the outcome of the attempt, unless the mode is `off`.
    pub(crate) fn note(&self, outcome: &'static str) {
        if self.mode == RolloutMode::Off {
            return;
        }
        Span::current().record("outcome", outcome);
        metrics::attempt(self.operation(), self.mode, outcome);
        metrics::attempt_took(self.operation(), self.mode, self.arrived.elapsed());
    }
}

/// Logs a failure with its cause; the client does not get the cause.
pub(crate) fn failure(error: &Error) -> Rejection {
    let rejection = Rejection::from(error);
    if matches!(error, Error::Overloaded | Error::ShuttingDown) {
        // These come in storms, and the node's own limits cause them.
        tracing::debug!(problem = rejection.name(), "an attempt was not admitted");
        return rejection;
    }
    let error: &(dyn std::error::Error + 'static) = error;
    tracing::warn!(error, problem = rejection.name(), "an attempt failed");
    rejection
}
