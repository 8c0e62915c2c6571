//! What the attribute's expansion names. Not part of the public API.
//!
//! It is no API for applications, but it is one for `idem-macros`. The three crates ask for each other
//! in exactly one version, so an expansion never meets another release of what it names.
//!
//! A handler with the state `AppState`, an extractor `Json` and a `Tx` becomes:
//!
//! ```text
//! async fn create_payment(
//!     request: IdempotentRequest<WithTx<Postgres>, NamedScope<…>, (State<AppState>,), Json<New>>,
//! ) -> Response {
//!     async fn create_payment(…) -> Result<StatusCode, ApiError> { … }    // as it is written
//!
//!     fn __idem_checks() { … }                                            // compiled, never called
//!     static __IDEM_SPEC: Spec = Spec::new("…::create_payment").ttl_ms(86400000);
//!     register_operation! { … }                                           // feature `policies`
//!
//!     let prepared = match request.prepare(&__IDEM_SPEC).await {
//!         Ok(prepared) => prepared,
//!         Err(answer) => return answer,                                   // an extractor refused
//!     };
//!     let (attempt, parts, last) = (prepared.attempt, prepared.parts, prepared.last);
//!     attempt.run(move |mut attempt| async move {                         // unless it is a replay, 409, 422
//!         let result = {
//!             let deadline = attempt.deadline();
//!             let handler = pin!(async {
//!                 HandlerOutput(create_payment(parts.0, attempt.tx(), last).await).respond()
//!             });
//!             supervise(deadline, handler).await
//!         };
//!         attempt.finish(result).await                                    // commits or rolls back
//!     })
//!     .await
//! }
//! ```

pub use axum::response::Response;
#[cfg(feature = "policies")]
pub use inventory;

pub use crate::__register_operation as register_operation;
pub use crate::attempt::PendingAttempt;
pub use crate::attempt::active::ActiveAttempt;
pub use crate::attempt::engine::{AttemptEngine, FinishAttempt, FinishObserved};
pub use crate::attempt::supervise::{HandlerAbort, supervise};
pub use crate::attempt::without_tx::EngineWithoutTx;
pub use crate::body::budget::BodyReservation;
pub use crate::extract::last::{LastExtractor, ViaBody, ViaParts};
pub use crate::extract::party::{ExtractedScope, Party};
pub use crate::extract::scope::{Ch, NamedScope, ScopeFor, ScopeIn};
pub use crate::extract::scope_key::Global;
pub use crate::extract::state::SameDb;
pub use crate::extract::tx_mode::{NoTx, TxMode, TxModeIn, WithTx};
pub use crate::extract::{IdempotentRequest, PreparedRequest};
#[cfg(feature = "utoipa")]
pub use crate::policies::documented::{AnyPath, Documented, PathOf, is_of_module};
#[cfg(feature = "policies")]
pub use crate::policies::registry::RegisteredHandler;
pub use crate::response::output::{AnyHandlerOutput, HandlerOutput, HandlerResponse};
pub use crate::spec::{Spec, custom_digest};

/// Bounds that the attribute asks for, so that errors stand on the user's types.
///
/// The functions are empty. Their bounds are the question, and the `on_unimplemented` text of the
/// trait is the answer. They are named in the compiler's notes ("required by a bound in
/// `check::database`"), so each has the name of what it checks.
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
