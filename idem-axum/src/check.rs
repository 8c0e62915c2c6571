//! Bounds that the attribute asks for by itself, so that errors stand on the user's types.

use axum::extract::FromRequestParts;

use crate::call::LastExtractor;
use crate::scope::ScopeIn;
use crate::state::{HasIdempotency, SameDb};

/// The `Tx` is of the state's database.
pub const fn database<S: HasIdempotency, DB: SameDb<S::Db>>() {}

/// The state carries a handle.
pub const fn runtime<S: HasIdempotency>() {}

/// The argument is an extractor that does not read the body.
pub const fn parts<S, T: FromRequestParts<S>>() {}

/// The last argument is an extractor.
pub const fn request<S, T: LastExtractor<S, M>, M>() {}

/// The scope is one of the state's.
pub const fn scope<S, Scope: ScopeIn<S>>() {}
