//! Why a request is refused, and with which status.

use axum::http::StatusCode;
use idem_core::{Error, InvalidKey};

/// Why Idem refuses a request, or does not answer with its handler's response.
///
/// The response is a problem document of [RFC 9457], `application/problem+json`, with `type`,
/// `title`, `status`, `detail` and `retryable`. Names and statuses are stable, texts are not:
/// clients compare the name at the end of `type`. The texts are constant: no SQL, key or tenant
/// leaves the process in them.
///
/// [RFC 9457]: https://www.rfc-editor.org/rfc/rfc9457
///
/// # What a client does next
///
/// * [`is_retryable`](Self::is_retryable): the same request with the same key, after `Retry-After`.
/// * [`KeyExpired`](Self::KeyExpired): look up what the first request did.
/// * Any other 4xx: correct the request. The key is free, except after
///   [`KeyReused`](Self::KeyReused).
/// * 500 of a kind whose work may be done ([`TransactionBroken`](Self::TransactionBroken),
///   [`CommitUnclear`](Self::CommitUnclear), [`DoneNotRecorded`](Self::DoneNotRecorded),
///   [`ResponseLost`](Self::ResponseLost)): look up what happened before sending anything.
/// * Any other 500: the service must be corrected first; nothing was changed.
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
    /// 400 `key-missing`: the operation needs a key, and none was sent.
    KeyMissing,
    /// 400 `key-invalid`: the key cannot be read.
    KeyInvalid(InvalidKey),
    /// 400 `key-invalid`: more than one key was sent.
    KeyRepeated,
    /// 401 `scope-missing`: the owner of the key is not known.
    ScopeMissing,
    /// 413 `body-too-large`: the body is longer than the operation accepts.
    BodyTooLarge,
    /// 400 `body-broke-off`: the body's stream ended before the body did.
    BodyBrokeOff,
    /// 422 `key-reused`: the key was used for another request.
    KeyReused,
    /// 422 `key-expired`: the key was used, and its record has expired.
    ///
    /// Only an operation that [refuses late retries](crate::LateRetries) answers so.
    KeyExpired,
    /// 409 `in-flight`: the first attempt is still running.
    InFlight,
    /// 500 `response-not-storable`: the response is too long to be stored, or its body broke off.
    ///
    /// Nothing was changed.
    ResponseNotStorable,
    /// 500 `handler-panicked`: a handler with a `Tx` panicked.
    ///
    /// Nothing was changed.
    HandlerPanicked,
    /// 500 `not-committed`: the transaction could not be committed.
    ///
    /// Nothing was changed.
    NotCommitted,
    /// 500 `transaction-broken`: the handler ended the transaction itself.
    ///
    /// Retries get this same response.
    TransactionBroken,
    /// 500 `misconfigured`: the attribute or the route is wrong.
    ///
    /// The log says how.
    Misconfigured,
    /// 503 `timeout`: an attempt with a `Tx` took too long.
    ///
    /// Nothing was changed.
    Timeout,
    /// 503 `try-again`: the attempt collided with another one.
    ///
    /// Nothing was changed.
    TryAgain,
    /// 503 `outcome-unknown`: it is not known yet whether the attempt took effect.
    ///
    /// A retry finds out.
    OutcomeUnknown,
    /// 500 `commit-unclear`: it is not known whether the attempt took effect.
    ///
    /// It has no record that could tell.
    CommitUnclear,
    /// 503 `store-unavailable`: the database cannot be used.
    ///
    /// Nothing ran.
    StoreUnavailable,
    /// 503 `record-unreadable`: this node cannot read the stored record.
    ///
    /// Nothing ran.
    RecordUnreadable,
    /// 503 `overloaded`: too many attempts run, duplicates wait, or bodies are being read.
    Overloaded,
    /// 503 `shutting-down`: the node is shutting down.
    ShuttingDown,
    /// 503 `timeout`: a handler without a `Tx` took too long.
    ///
    /// What it did before stays.
    TimeoutWithoutTx,
    /// 500 `handler-panicked`: a handler without a `Tx` panicked, or something around a handler did,
    /// such as the body of its response.
    ///
    /// What it did before stays.
    HandlerPanickedWithoutTx,
    /// 500 `commit-refused`: the database refused what was written, and would refuse it again.
    ///
    /// Nothing was changed.
    CommitRefused,
    /// 500 `done-not-recorded`: a handler without a `Tx` has done its work, but its record could
    /// not be stored in time.
    DoneNotRecorded,
    /// 500 `response-lost`: a handler without a `Tx` has done its work, but its response cannot be
    /// stored.
    ///
    /// Retries get this same response.
    ResponseLost,
    /// 408 `body-timeout`: the body took too long to arrive.
    ///
    /// Nothing ran.
    BodyTimeout,
}

impl Rejection {
    /// All problems, in the order of `docs/PROBLEMS.md`.
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
        Self::KeyExpired,
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

    /// The rejection of a handler that reached its deadline.
    pub(crate) fn timeout(can_undo: bool) -> Self {
        match can_undo {
            true => Self::Timeout,
            false => Self::TimeoutWithoutTx,
        }
    }

    /// The rejection of a handler that panicked.
    pub(crate) fn handler_panicked(can_undo: bool) -> Self {
        match can_undo {
            true => Self::HandlerPanicked,
            false => Self::HandlerPanickedWithoutTx,
        }
    }

    /// The status of the response.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::KeyMissing | Self::KeyInvalid(_) | Self::KeyRepeated | Self::BodyBrokeOff => {
                StatusCode::BAD_REQUEST
            }
            Self::ScopeMissing => StatusCode::UNAUTHORIZED,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::KeyReused | Self::KeyExpired => StatusCode::UNPROCESSABLE_ENTITY,
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

    /// The outcome in logs and metrics.
    pub(crate) fn outcome(&self) -> &'static str {
        match self {
            Self::KeyMissing => "key_missing",
            Self::KeyInvalid(_) | Self::KeyRepeated => "key_invalid",
            Self::KeyReused => "mismatch",
            Self::KeyExpired => "expired",
            Self::InFlight => "in_flight",
            Self::OutcomeUnknown | Self::CommitUnclear => "outcome_unknown",
            Self::DoneNotRecorded => "not_recorded",
            _ => "failed",
        }
    }

    /// Whether the same request with the same key may succeed later.
    ///
    /// It never means "carried out twice": a retry of what took effect gets a replay. The one limit
    /// is a handler without a `Tx` that was stopped or has panicked; its key is free, what it did
    /// stays, and the problem's text says so.
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

/// What a client learns of a failure of the engine.
///
/// An error that this crate does not know becomes `store-unavailable`, which says that nothing was
/// done. So an error of the engine that can mean more must be listed here.
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
    fn errors_that_may_have_taken_effect_are_never_reported_as_undone() {
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
