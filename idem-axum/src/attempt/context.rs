//! What an attempt is answered with, and what is noted of it.

use axum::response::Response;
use idem_core::{Completion, Error, Operation, RolloutMode, Settings, metrics};
use tokio::time::Instant;
use tracing::Span;

use crate::Rejection;
use crate::attempt::engine::Terminal;
use crate::response::capture;
use crate::spec::Spec;

/// What an attempt's end depends on, and what is noted with it.
pub(crate) struct Terms {
    pub(crate) spec: &'static Spec,
    pub(crate) settings: Settings,
    pub(crate) mode: RolloutMode,
    /// None where nobody knows, and the mode does not need it.
    pub(crate) operation: Option<Operation>,
    pub(crate) arrived: Instant,
    pub(crate) deadline: Instant,
    /// It has a key.
    pub(crate) has_record: bool,
    /// Why it can have no record.
    pub(crate) in_the_way: Option<Rejection>,
}

impl Terms {
    /// The operation, or what else it can be known by.
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
        rejection.into_response(&self.settings)
    }

    /// Notes what has become of the attempt; in the mode `off` nobody does.
    pub(crate) fn note(&self, outcome: &'static str) {
        if self.mode == RolloutMode::Off {
            return;
        }
        Span::current().record("outcome", outcome);
        metrics::attempt(self.operation(), self.mode, outcome);
        metrics::attempt_took(self.operation(), self.mode, self.arrived.elapsed());
    }
}

/// What retries are told of an attempt whose own answer cannot be stored.
pub(crate) fn terminal(rejection: Rejection, settings: Settings) -> Terminal {
    Box::new(move || rejection.into_completion(&settings))
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
