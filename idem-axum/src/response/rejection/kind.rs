//! Why a request is refused, and with which status.

use axum::http::StatusCode;
use idem_core::{Error, InvalidKey};

/// Why Idem refuses a request, or does not answer with its handler's response.
///
/// The response is a problem document of [RFC 9457], `application/problem+json`, with `type`, `title`,
/// `status`, `detail` and `retryable`. Names and statuses are stable, texts are not: clients compare the
/// name at the end of `type`. The texts are constant: no SQL, key or tenant leaves the process in them.
///
/// [RFC 9457]: https://www.rfc-editor.org/rfc/rfc9457
///
/// # Examples
///
/// A service documents all problems that its clients can get:
///
/// ```
/// use idem_axum::Rejection;
///
/// for problem in Rejection::ALL {
///     println!("{} {}, retry: {}", problem.status(), problem.name(), problem.is_retryable());
/// }
/// assert_eq!(Rejection::InFlight.status(), 409);
/// assert_eq!(Rejection::InFlight.name(), "in-flight");
/// assert!(Rejection::InFlight.is_retryable());
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Rejection {
    /// The operation needs a key and none was sent.
    KeyMissing,
    /// The key cannot be read.
    KeyInvalid(InvalidKey),
    /// More than one key was sent.
    KeyRepeated,
    /// It is not known whose key it is.
    ScopeMissing,
    /// The body is longer than the operation accepts.
    BodyTooLarge,
    /// The body's stream ended before the body did.
    BodyBrokeOff,
    /// The key was used for another request.
    KeyReused,
    /// The first attempt is still running.
    InFlight,
    /// The answer is too long to be stored, or its body broke off; nothing was changed.
    ResponseNotStorable,
    /// A handler with a `Tx` panicked; nothing was changed.
    HandlerPanicked,
    /// The transaction could not be committed; nothing was changed.
    NotCommitted,
    /// The handler ended the transaction itself; retries get this same answer.
    TransactionBroken,
    /// The attribute or the route is at fault, and the log says how.
    Misconfigured,
    /// An attempt with a `Tx` took too long; nothing was changed.
    Timeout,
    /// The attempt collided with another one; nothing was changed.
    TryAgain,
    /// It is not known yet whether the attempt took effect; a retry finds out.
    OutcomeUnknown,
    /// It is not known whether an operation that is not protected yet took effect.
    CommitUnclear,
    /// The database cannot be used; nothing ran.
    StoreUnavailable,
    /// A stored record cannot be read by this node; nothing ran.
    RecordUnreadable,
    /// Too many attempts run, too many duplicates wait, or too many bodies are being read.
    Overloaded,
    /// The node is shutting down.
    ShuttingDown,
    /// A handler without a `Tx` took too long; what it did by then stays.
    TimeoutWithoutTx,
    /// A handler without a `Tx` panicked, or an attempt's task ended by itself; what was done by then
    /// stays.
    HandlerPanickedWithoutTx,
    /// The database refused what was written, and would refuse the same again; nothing was changed.
    CommitRefused,
    /// A handler without a `Tx` has done its work, and its record could not be stored in time.
    DoneNotRecorded,
    /// A handler without a `Tx` has done its work, and its response cannot be stored; retries get
    /// this same answer.
    ResponseLost,
    /// The body took too long to arrive; nothing ran.
    BodyTimeout,
}

impl Rejection {
    /// All of them, in the order of `docs/PROBLEMS.md`: for a service that documents its problems.
    ///
    /// Two may have the same [`name`](Self::name) and differ in their texts.
    pub const ALL: &[Self] = &[
        Self::KeyMissing,
        Self::KeyInvalid(InvalidKey::Empty),
        Self::KeyRepeated,
        Self::ScopeMissing,
        Self::BodyTooLarge,
        Self::BodyBrokeOff,
        Self::BodyTimeout,
        Self::KeyReused,
        Self::InFlight,
        Self::ResponseNotStorable,
        Self::ResponseLost,
        Self::HandlerPanicked,
        Self::HandlerPanickedWithoutTx,
        Self::NotCommitted,
        Self::CommitRefused,
        Self::TransactionBroken,
        Self::Misconfigured,
        Self::Timeout,
        Self::TimeoutWithoutTx,
        Self::TryAgain,
        Self::OutcomeUnknown,
        Self::CommitUnclear,
        Self::DoneNotRecorded,
        Self::StoreUnavailable,
        Self::RecordUnreadable,
        Self::Overloaded,
        Self::ShuttingDown,
    ];

    /// Of a handler whose time was over.
    pub(crate) fn timeout(can_undo: bool) -> Self {
        match can_undo {
            true => Self::Timeout,
            false => Self::TimeoutWithoutTx,
        }
    }

    /// Of a handler that panicked.
    pub(crate) fn handler_panicked(can_undo: bool) -> Self {
        match can_undo {
            true => Self::HandlerPanicked,
            false => Self::HandlerPanickedWithoutTx,
        }
    }

    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::KeyMissing | Self::KeyInvalid(_) | Self::KeyRepeated | Self::BodyBrokeOff => {
                StatusCode::BAD_REQUEST
            }
            Self::ScopeMissing => StatusCode::UNAUTHORIZED,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::KeyReused => StatusCode::UNPROCESSABLE_ENTITY,
            Self::InFlight => StatusCode::CONFLICT,
            Self::ResponseNotStorable
            | Self::HandlerPanicked
            | Self::NotCommitted
            | Self::TransactionBroken
            | Self::CommitUnclear
            | Self::HandlerPanickedWithoutTx
            | Self::CommitRefused
            | Self::DoneNotRecorded
            | Self::ResponseLost
            | Self::Misconfigured => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Timeout
            | Self::TimeoutWithoutTx
            | Self::TryAgain
            | Self::OutcomeUnknown
            | Self::StoreUnavailable
            | Self::RecordUnreadable
            | Self::Overloaded
            | Self::ShuttingDown => StatusCode::SERVICE_UNAVAILABLE,
            Self::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
        }
    }

    /// The word for it in logs and metrics.
    pub(crate) fn outcome(&self) -> &'static str {
        match self {
            Self::KeyMissing => "key_missing",
            Self::KeyInvalid(_) | Self::KeyRepeated => "key_invalid",
            Self::KeyReused => "mismatch",
            Self::InFlight => "in_flight",
            Self::OutcomeUnknown | Self::CommitUnclear => "outcome_unknown",
            Self::DoneNotRecorded => "not_recorded",
            _ => "failed",
        }
    }

    /// Whether the same request with the same key may succeed later.
    pub fn is_retryable(&self) -> bool {
        self.status() == StatusCode::SERVICE_UNAVAILABLE
            || matches!(
                self,
                Self::InFlight
                    | Self::HandlerPanicked
                    | Self::HandlerPanickedWithoutTx
                    | Self::NotCommitted
                    | Self::BodyTimeout
            )
    }
}

/// What a failure of the engine is to the client.
impl From<&Error> for Rejection {
    fn from(error: &Error) -> Self {
        match error {
            Error::Overloaded => Self::Overloaded,
            Error::ShuttingDown => Self::ShuttingDown,
            Error::TimedOut => Self::Timeout,
            Error::TryAgain(_) => Self::TryAgain,
            Error::OutcomeUnknown => Self::OutcomeUnknown,
            Error::NotCommitted {
                is_refused: true, ..
            } => Self::CommitRefused,
            Error::NotCommitted { .. } => Self::NotCommitted,
            Error::TransactionBroken => Self::TransactionBroken,
            Error::Unreadable => Self::RecordUnreadable,
            Error::NotRecorded => Self::DoneNotRecorded,
            Error::AnswerRefused => Self::ResponseLost,
            _ => Self::StoreUnavailable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_have_taken_effect_is_never_said_to_be_undone() {
        for (error, name) in [
            (Error::OutcomeUnknown, "outcome-unknown"),
            (Error::NotRecorded, "done-not-recorded"),
            (Error::AnswerRefused, "response-lost"),
            (Error::TransactionBroken, "transaction-broken"),
        ] {
            assert_eq!(Rejection::from(&error).name(), name);
        }
    }
}
