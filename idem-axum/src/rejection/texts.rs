//! What each problem is called, and what its client is told. No text has SQL, a key or a scope in
//! it.
//!
//! A detail answers three questions, in this order: what happened, what was done, what to do next.
//! "Nothing was done" is said only where it is certain.

use std::borrow::Cow;

use crate::rejection::kind::Rejection;

impl Rejection {
    /// The stable last part of the problem's `type`, such as `key-reused`. Clients and dashboards
    /// may compare it; it also stands in the attempt's span as `problem`.
    pub fn name(&self) -> &'static str {
        texts(*self).0
    }

    /// What happened, in one short clause for people. The text may change between releases.
    pub fn title(&self) -> &'static str {
        texts(*self).1
    }

    /// What happened, what was done and what to do next, for people. The text may change between
    /// releases; it has no key, scope or SQL in it.
    pub fn detail(&self) -> Cow<'static, str> {
        let detail = texts(*self).2;
        match self {
            Self::KeyInvalid(reason) => format!("{detail}: {reason}.").into(),
            _ => detail.into(),
        }
    }
}

/// Name, title, detail.
fn texts(rejection: Rejection) -> (&'static str, &'static str, &'static str) {
    match rejection {
        Rejection::KeyMissing => (
            "key-missing",
            "An idempotency key is required",
            "Send the idempotency key header with a value of your own, such as a UUID. Send \
             the same value on every retry of this request.",
        ),
        Rejection::KeyInvalid(_) => (
            "key-invalid",
            "The idempotency key cannot be read",
            "The idempotency key header is malformed",
        ),
        Rejection::KeyRepeated => (
            "key-invalid",
            "The idempotency key cannot be read",
            "The idempotency key header was sent more than once. Send it once.",
        ),
        Rejection::ScopeMissing => (
            "scope-missing",
            "The owner of the idempotency key is not known",
            "Authenticate, then send the same request with the same key.",
        ),
        Rejection::BodyTooLarge => (
            "body-too-large",
            "The request body is too large",
            "The body is longer than this operation accepts. Nothing was done; the key is \
             free.",
        ),
        Rejection::BodyBrokeOff => (
            "body-broke-off",
            "The request body is incomplete",
            "The body ended too early. Nothing was done; the key is free.",
        ),
        Rejection::KeyReused => (
            "key-reused",
            "The idempotency key was used for another request",
            "The method, path, query, content type, body or a header that this operation \
             compares differs from the request that first used this key. Repeat that \
             request unchanged, or use a new key for a new request.",
        ),
        Rejection::KeyExpired => (
            "key-expired",
            "The idempotency key has expired",
            "This key was used for an earlier request, whose stored response is gone. Nothing \
             was done now. Look up what that request did; use a new key for a new request.",
        ),
        Rejection::InFlight => (
            "in-flight",
            "The first request with this key is still running",
            "Send the same request with the same key again after the time in Retry-After.",
        ),
        Rejection::ResponseNotStorable => (
            "response-not-storable",
            "The response could not be stored",
            "The response is longer than this operation may store, or its body broke off. \
             The transaction was rolled back.",
        ),
        Rejection::HandlerPanicked => (
            "handler-panicked",
            "The operation failed",
            "The operation failed unexpectedly. Its transaction was rolled back; the key is \
             free.",
        ),
        Rejection::HandlerPanickedWithoutTx => (
            "handler-panicked",
            "The operation failed",
            "The operation failed unexpectedly. What it did before may have taken effect. \
             The key is free: the same request runs again.",
        ),
        Rejection::DoneNotRecorded => (
            "done-not-recorded",
            "The operation was carried out but not recorded",
            "The operation was carried out, but its record could not be stored. Look up \
             what it did before you send it again: the same request may be carried out once \
             more.",
        ),
        Rejection::ResponseLost => (
            "response-lost",
            "The operation was carried out, but its response is lost",
            "The operation was carried out, but its response could not be stored. It is not \
             carried out again with this key. Look up what it did.",
        ),
        Rejection::CommitRefused => (
            "commit-refused",
            "The database refused what the operation wrote",
            "The transaction was rolled back; the key is free. The same request is refused \
             again unless the data changes.",
        ),
        Rejection::NotCommitted => (
            "not-committed",
            "The operation could not be committed",
            "The transaction was rolled back; the key is free.",
        ),
        Rejection::TransactionBroken => (
            "transaction-broken",
            "The operation broke its transaction",
            "The operation ended its own transaction. Look up which of its writes took \
             effect. It does not run again with this key.",
        ),
        Rejection::Misconfigured => (
            "misconfigured",
            "The operation is misconfigured",
            "Nothing was done. The server's log says what is wrong.",
        ),
        Rejection::Timeout => (
            "timeout",
            "The operation took too long",
            "The transaction was rolled back. Send the same request with the same key \
             again.",
        ),
        Rejection::TimeoutWithoutTx => (
            "timeout",
            "The operation took too long",
            "The operation was stopped. What it did before may have taken effect. The key \
             is free: the same request runs again.",
        ),
        Rejection::TryAgain => (
            "try-again",
            "The operation collided with another one",
            "The transaction was rolled back. Send the same request with the same key \
             again.",
        ),
        Rejection::OutcomeUnknown => (
            "outcome-unknown",
            "It is not known yet whether the operation took effect",
            "Send the same request with the same key again. It finds out whether the \
             operation took effect, and never carries it out twice.",
        ),
        Rejection::CommitUnclear => (
            "commit-unclear",
            "It is not known whether the operation took effect",
            "The connection to the database broke during COMMIT, and the request has no \
             record that could tell. Look up whether it took effect before you send it \
             again.",
        ),
        Rejection::StoreUnavailable => (
            "store-unavailable",
            "The operation cannot be protected now",
            "The idempotency store does not answer. Nothing was done. Send the same request \
             with the same key again.",
        ),
        Rejection::RecordUnreadable => (
            "record-unreadable",
            "This node cannot read the stored response",
            "Another version of the service stored the response, or this node lacks its key. \
             Nothing was done. Send the same request with the same key again.",
        ),
        Rejection::Overloaded => (
            "overloaded",
            "The node is handling too many requests",
            "Nothing was done. Send the same request with the same key again.",
        ),
        Rejection::ShuttingDown => (
            "shutting-down",
            "The node is shutting down",
            "Nothing was done. Send the same request with the same key again.",
        ),
        Rejection::BodyTimeout => (
            "body-timeout",
            "The request body took too long to arrive",
            "The body was not complete in time. Nothing was done; the key is free. Send the \
             same request with the same key again.",
        ),
    }
}
