//! What each problem is called, and what its client is told. No text has SQL, a key or a scope in it.

use crate::response::rejection::kind::Rejection;

/// Name, title, detail.
pub(super) fn texts(rejection: Rejection) -> (&'static str, &'static str, &'static str) {
    match rejection {
        Rejection::KeyMissing => (
            "key-missing",
            "An idempotency key is required",
            "Send the idempotency key header with a value of your own making, such as a UUID, \
                 and the same value on every retry of this request.",
        ),
        Rejection::KeyInvalid(_) => (
            "key-invalid",
            "The idempotency key cannot be read",
            "The idempotency key header is malformed",
        ),
        Rejection::KeyRepeated => (
            "key-invalid",
            "The idempotency key cannot be read",
            "The idempotency key header was sent more than once: send one.",
        ),
        Rejection::ScopeMissing => (
            "scope-missing",
            "It is not known whose key this is",
            "Authenticate, then send the same request with the same key.",
        ),
        Rejection::BodyTooLarge => (
            "body-too-large",
            "The request body is too large",
            "The body is longer than this operation accepts. The key was not used up.",
        ),
        Rejection::BodyBrokeOff => (
            "body-broke-off",
            "The request body is not whole",
            "The body ended too early. Nothing was done, and the key was not used up.",
        ),
        Rejection::KeyReused => (
            "key-reused",
            "The idempotency key was used for another request",
            "The method, path, query, content type, body or a header that this operation compares \
                 differs from the request that first used this key. Repeat that request unchanged, \
                 or use a new key for a new request.",
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
                 Its transaction was rolled back.",
        ),
        Rejection::HandlerPanicked => (
            "handler-panicked",
            "The operation failed",
            "The operation failed unexpectedly. Its transaction was rolled back; the key is free.",
        ),
        Rejection::HandlerPanickedWithoutTx => (
            "handler-panicked",
            "The operation failed",
            "The operation failed unexpectedly, and what it did before that may have taken \
                 effect. The key is free: the same request runs again.",
        ),
        Rejection::DoneNotRecorded => (
            "done-not-recorded",
            "The operation was carried out and is not recorded",
            "The operation was carried out, but its record could not be stored. Look up what it \
                 did before you send it again: the same request may be carried out once more.",
        ),
        Rejection::ResponseLost => (
            "response-lost",
            "The operation was carried out and its response is lost",
            "The operation was carried out, but its response could not be stored. It is not \
                 carried out again with this key. Look up what it did.",
        ),
        Rejection::CommitRefused => (
            "commit-refused",
            "The database refused what the operation wrote",
            "Its transaction was rolled back; the key is free. The same request is refused again \
                 unless the data changes.",
        ),
        Rejection::NotCommitted => (
            "not-committed",
            "The operation could not be committed",
            "Its transaction was rolled back; the key is free.",
        ),
        Rejection::TransactionBroken => (
            "transaction-broken",
            "The operation broke its transaction",
            "The operation ended its own transaction, so which of its writes took effect must \
                 be looked up. It will not run again with this key.",
        ),
        Rejection::Misconfigured => (
            "misconfigured",
            "The operation is not set up right",
            "The server's log says what is wrong. Nothing was done.",
        ),
        Rejection::Timeout => (
            "timeout",
            "The operation took too long",
            "Its transaction was rolled back. Send the same request with the same key again.",
        ),
        Rejection::TimeoutWithoutTx => (
            "timeout",
            "The operation took too long",
            "The operation was stopped, and what it did before that may have taken effect. The \
                 key is free: the same request runs again.",
        ),
        Rejection::TryAgain => (
            "try-again",
            "The operation collided with another one",
            "Its transaction was rolled back. Send the same request with the same key again.",
        ),
        Rejection::OutcomeUnknown => (
            "outcome-unknown",
            "It is not known yet whether the operation took effect",
            "Send the same request with the same key again: it finds out, and never runs twice.",
        ),
        Rejection::CommitUnclear => (
            "commit-unclear",
            "It is not known whether the operation took effect",
            "The connection to the database broke at the end, and the request had no record to \
                 find it out by. Look up whether it took effect before you send it again.",
        ),
        Rejection::StoreUnavailable => (
            "store-unavailable",
            "The operation cannot be protected right now",
            "The idempotency store does not answer, so nothing was done. Send the same request \
                 with the same key again.",
        ),
        Rejection::RecordUnreadable => (
            "record-unreadable",
            "The stored answer cannot be read by this node",
            "The answer was stored by another version of the service. Nothing was done. Send \
                 the same request with the same key again.",
        ),
        Rejection::Overloaded => (
            "overloaded",
            "Too many requests are being worked on",
            "Nothing was done. Send the same request with the same key again.",
        ),
        Rejection::ShuttingDown => (
            "shutting-down",
            "This node is shutting down",
            "Nothing was done. Send the same request with the same key again.",
        ),
        Rejection::BodyTimeout => (
            "body-timeout",
            "The request body took too long to arrive",
            "The body was not whole in time. Nothing was done, and the key was not used up. Send \
                 the same request with the same key again.",
        ),
    }
}
