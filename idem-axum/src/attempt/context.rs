//! How the end of an attempt is answered, logged and counted.
//!
//! Each attempt is counted once, with one outcome: by [`answer`](AttemptContext::answer),
//! [`replay`](AttemptContext::replay) or [`refuse`](AttemptContext::refuse), or by
//! [`note`](AttemptContext::note) where the response is somebody else's. A path through `enforce`
//! or `observe` that calls two of them counts an attempt twice.

use std::sync::Arc;

use axum::response::Response;
use idem_core::metrics::LabelValue;
use idem_core::{Completion, Error, Operation, RolloutMode, metrics};
use tokio::time::Instant;
use tracing::Span;

use crate::response::capture;
use crate::spec::Spec;
use crate::{HttpSettings, Rejection};

/// What the end of an attempt depends on, and what logs and metrics say of it.
#[derive(Clone)]
pub(crate) struct AttemptContext {
    pub(crate) spec: Spec,
    pub(crate) http: Arc<HttpSettings>,
    pub(crate) mode: RolloutMode,
    /// `None` if it is not known, which only modes that do not enforce allow.
    pub(crate) operation: Option<Operation>,
    pub(crate) arrived: Instant,
    pub(crate) deadline: Instant,
    /// The attempt has a key.
    pub(crate) has_record: bool,
    /// No handler has taken the transaction, so a rollback undoes nothing.
    pub(crate) is_tx_unused: bool,
    /// Why it can have no record.
    pub(crate) obstacle: Option<Rejection>,
}

impl AttemptContext {
    /// The operation, or else the handler's path, as a label of metrics.
    pub(crate) fn operation(&self) -> LabelValue<'_> {
        match &self.operation {
            Some(operation) => operation.into(),
            None => self.spec.item.into(),
        }
    }

    /// The handler's own response.
    pub(crate) fn answer(&self, response: Response) -> Response {
        self.note("fresh");
        response
    }

    /// The stored response; 503 if this build cannot read its headers. It never runs the handler
    /// instead: the record says that it has run.
    pub(crate) fn replay(&self, completion: &Completion) -> Response {
        match capture::replay(completion) {
            Some(response) => {
                self.note("replayed");
                response
            }
            None => self.refuse(Rejection::RecordUnreadable),
        }
    }

    /// The response of a problem, which the attempt's span names too.
    pub(crate) fn refuse(&self, rejection: Rejection) -> Response {
        if self.mode != RolloutMode::Off {
            Span::current().record("problem", rejection.name());
        }
        self.note(rejection.outcome());
        rejection.into_response(&self.http)
    }

    /// Logs and counts the outcome of the attempt, unless the mode is `off`.
    ///
    /// The time counts from the arrival of the whole request to here, so it includes the wait for a
    /// connection and the COMMIT.
    pub(crate) fn note(&self, outcome: &'static str) {
        if self.mode == RolloutMode::Off {
            return;
        }
        Span::current().record("outcome", outcome);
        tracing::debug!(outcome, "the attempt has ended");
        metrics::attempt(self.operation(), self.mode, outcome);
        metrics::attempt_took(self.operation(), self.mode, self.arrived.elapsed());
    }
}

/// Logs a failure with its cause; the client does not get the cause.
///
/// The cause may be the database's own message, with values of the application in it. The log of
/// the application is where such a message may stand, a response is not.
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
