//! Bounds that the attribute asks for by itself, so that errors stand on the user's types.

use axum::extract::FromRequestParts;
use axum::response::IntoResponse;
use idem_core::Backend;

use crate::call::LastExtractor;
use crate::scope::ScopeIn;
use crate::state::{HasIdempotency, SameDb};

/// A value that is never made; the checks are compiled, not run.
pub fn any<T>() -> T {
    loop {
        std::thread::park();
    }
}

/// The `Tx` is of the state's database.
pub const fn database<S: HasIdempotency, DB: SameDb<S::Db>>() {}

/// The state carries a handle.
pub const fn runtime<S: HasIdempotency>() {}

/// The `Tx` is of a database of Idem.
pub const fn backend<DB: Backend>() {}

/// The argument is an extractor that does not read the body.
pub const fn parts<S, T: FromRequestParts<S>>() {}

/// The last argument is an extractor.
pub const fn request<S, T: LastExtractor<S, M>, M>() {}

/// The scope is one of the state's.
pub const fn scope<S, Scope: ScopeIn<S>>() {}

/// The handler's return type is a response.
pub const fn response<T: IntoResponse>() {}

/// The handler's future can move between threads.
pub fn send<F: Future + Send>(_: F) {}
