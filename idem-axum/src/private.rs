//! What the attribute's expansion names. Not part of the public API.

pub use axum::response::Response;

pub use crate::attempt::engine::{AttemptEngine, FinishAttempt, FinishObserved};
pub use crate::attempt::supervise::{HandlerAbort, supervise};
pub use crate::attempt::without_tx::EngineWithoutTx;
pub use crate::attempt::{ActiveAttempt, PendingAttempt};
pub use crate::body::budget::BodyReservation;
pub use crate::extract::IdempotentRequest;
pub use crate::extract::last::{LastExtractor, ViaBody, ViaParts};
pub use crate::extract::prepare::PreparedRequest;
pub use crate::extract::scope::{Ch, NamedScope, ScopeFor, ScopeIn};
pub use crate::extract::scope_key::Global;
pub use crate::extract::state::SameDb;
pub use crate::extract::tx_mode::{NoTx, TxMode, TxModeIn, WithTx};
pub use crate::response::output::{AnyHandlerOutput, HandlerOutput, HandlerResponse};
pub use crate::spec::{Spec, custom_digest};

/// Bounds that the attribute asks for by itself, so that errors stand on the user's types.
pub mod check {
    use axum::extract::FromRequestParts;

    use crate::extract::last::LastExtractor;
    use crate::extract::scope::ScopeIn;
    use crate::extract::state::{HasIdempotency, SameDb};

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
}
