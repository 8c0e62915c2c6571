//! A tower layer, for routes that cannot take the attribute.
//!
//! It runs the attribute's own code: what differs is where the scope comes from, and that the handler is
//! a service whose extractors run behind the claim. `run` has the life of such a request, `tx` its
//! transaction, `options` what the attribute's options are here.

mod options;
mod request;
mod run;
mod service;
mod tx;

use std::fmt;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use idem_core::{InvalidScope, Scope};

use crate::attempt::without_tx::EngineWithoutTx;
use crate::extract::scope_key::{Global, ScopeKey};
use crate::extract::state::HasIdempotency;
use crate::layer::request::{FindScope, computed, extracted};
use crate::layer::run::RunAttempt;
use crate::spec::Spec;

pub use service::IdempotencyService;
pub use tx::LayerTx;

/// Makes the routes behind it safe to retry, without an attribute on their handlers.
///
/// For another crate's router, generated handlers and services. Claim, fingerprint, stored response,
/// problems, modes and metrics are those of [`#[idempotent]`](macro@crate::idempotent), and its options
/// are methods here. Use the attribute where you can: the compiler then checks the transaction and the
/// scope, and the handler's extractors run before the claim.
///
/// # What differs from the attribute
///
/// * **The handler's extractors run behind the claim.** Authentication belongs into the scope's extractor,
///   or into a layer outside of this one: a retry is replayed without the handler's own checks. A request
///   that the handler refuses leaves nothing behind, unless [`store`](Self::store) names its status: a
///   rejection of axum's `Json` has 400, 413, 415 or 422.
/// * **Errors are known by their status.** 4xx and 5xx count as an `Err`: the writes are rolled back, and
///   they are stored only if [`store`](Self::store) names them.
/// * **`GET`, `HEAD` and `OPTIONS` pass through**: a layer covers routes of all methods.
/// * **The transaction** is a [`LayerTx`], with [`with_tx`](Self::with_tx). Without it, the rules of a
///   handler without a `Tx` hold: its effects are protected against duplicates, and a crash between an effect
///   and its record lets the retry run.
/// * **Keys for other services**: `Extension<DownstreamKeys>`, or `tx.tx().downstream_key(…)`.
///
/// **With the attribute on the same route**, or two layers around it, each request gets 500 `misconfigured`
/// in every mode, and the log says why: both would claim the same record.
///
/// # Operations
///
/// A request's operation is its method and matched route, as with the attribute. Add the layer to the
/// methods of a route, `post(pay).route_layer(layer)`. `Router::route_layer` also covers the 405 of a route,
/// and `Router::layer` the fallback, which has no route and gets 500 `misconfigured` in place of 404. Below
/// `nest_service` and in fallbacks give the layer its [`operation`](Self::operation).
///
/// # Examples
///
/// ```no_run
/// use std::time::Duration;
///
/// use axum::{Router, http::StatusCode, routing::post};
/// use idem_axum::{HasIdempotency, Idempotency, IdempotencyLayer, LayerTx, Scope};
/// use sqlx::Sqlite;
///
/// async fn pay(mut tx: LayerTx<Sqlite>) -> Result<StatusCode, StatusCode> {
///     let insert = sqlx::query("insert into payment (amount) values (5)");
///     match insert.execute(&mut *tx).await {
///         Ok(_) => Ok(StatusCode::CREATED),
///         Err(_) => Err(StatusCode::INTERNAL_SERVER_ERROR),
///     }
/// }
///
/// fn routes(idem: Idempotency<Sqlite>) -> Router {
///     // What an authentication layer outside of this one has verified.
///     #[derive(Clone)]
///     struct Tenant(String);
///
///     let layer = IdempotencyLayer::scoped_by(&idem, |head| match head.extensions.get::<Tenant>() {
///         Some(Tenant(tenant)) => Scope::new(tenant),
///         None => Scope::new(""), // 401 `scope-missing`
///     });
///     let layer = layer.with_tx().ttl(Duration::from_secs(24 * 3600));
///     Router::new().route("/payments", post(pay).route_layer(layer))
/// }
/// ```
#[derive(Clone)]
#[must_use = "a layer does nothing before it is added to a router"]
pub struct IdempotencyLayer {
    spec: Spec,
    scope: Arc<FindScope>,
    attempts: Arc<dyn RunAttempt>,
    attempts_with_tx: Arc<dyn RunAttempt>,
}

impl IdempotencyLayer {
    /// A layer whose scope is an extractor, such as the `Tenant` that handlers take.
    ///
    /// `state` is the router's state, or the handle itself if the extractor needs no state.
    pub fn scoped<T, S>(state: &S) -> Self
    where
        T: FromRequestParts<S> + ScopeKey + 'static,
        S: HasIdempotency + Clone + Send + Sync + 'static,
    {
        Self::new(state, extracted::<T, S>(state.clone()))
    }

    /// A layer whose scope is computed from the request's head, such as from what an authentication layer
    /// has put into its extensions.
    ///
    /// An error gets 401 `scope-missing`. Never take the scope from a header that clients set at will: one
    /// client would get another one's responses.
    pub fn scoped_by<S>(
        state: &S,
        scope: impl Fn(&Parts) -> Result<Scope, InvalidScope> + Send + Sync + 'static,
    ) -> Self
    where
        S: HasIdempotency + Clone + Send + Sync + 'static,
    {
        Self::new(state, computed(scope))
    }

    /// A layer with one space of keys for all callers, as `scope = "global"`.
    pub fn global<S>(state: &S) -> Self
    where
        S: HasIdempotency + Clone + Send + Sync + 'static,
    {
        Self::scoped::<Global, S>(state)
    }

    fn new<S: HasIdempotency>(state: &S, scope: Arc<FindScope>) -> Self {
        let idem = state.idempotency().clone();
        Self {
            spec: Spec::new("IdempotencyLayer"),
            scope,
            attempts_with_tx: Arc::new(idem.clone()),
            attempts: Arc::new(EngineWithoutTx::new(idem)),
        }
    }
}

impl fmt::Debug for IdempotencyLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdempotencyLayer")
            .field("spec", &self.spec)
            .finish_non_exhaustive()
    }
}
