//! The one extractor that the attribute puts in the place of the handler's own.
//!
//! It keeps the request until the attribute passes its options. Then [`prepare`] runs the handler's
//! extractors.

mod body;
mod head;
pub(crate) mod last;
mod name;
pub(crate) mod prepare;
pub(crate) mod scope;
pub(crate) mod scope_key;
pub(crate) mod state;
pub(crate) mod tx_mode;

use std::fmt;
use std::marker::PhantomData;

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::Response;
use futures_util::future::BoxFuture;

use crate::extract::last::LastExtractor;
use crate::extract::prepare::{PreparedRequest, prepare};
use crate::extract::scope::ScopeIn;
use crate::extract::state::HasIdempotency;
use crate::extract::tx_mode::{TxMode, TxModeIn};
use crate::spec::Spec;

/// A request that no extractor has seen yet, and the router's state.
pub struct IdempotentRequest<M: TxMode, Scope, Extractors, Last> {
    preparation: Box<Preparation<M::Engine, Extractors, Last>>,
    scope: PhantomData<fn() -> Scope>,
}

type Preparation<E, Extractors, Last> = dyn FnOnce(
        &'static Spec,
    ) -> BoxFuture<'static, Result<PreparedRequest<E, Extractors, Last>, Response>>
    + Send;

impl<M: TxMode, Scope, Extractors, Last> IdempotentRequest<M, Scope, Extractors, Last> {
    /// Runs the handler's extractors and reads what the attempt needs.
    ///
    /// # Errors
    ///
    /// The response of an extractor that refuses the request, or Idem's own.
    pub async fn prepare(
        self,
        spec: &'static Spec,
    ) -> Result<PreparedRequest<M::Engine, Extractors, Last>, Response> {
        (self.preparation)(spec).await
    }
}

impl<S, Via, M, Scope, Extractors, Last> FromRequest<S, (Via,)>
    for IdempotentRequest<M, Scope, Extractors, Last>
where
    S: HasIdempotency + Clone + Send + Sync + 'static,
    M: TxModeIn<S>,
    Scope: ScopeIn<S> + 'static,
    Extractors: FromRequestParts<S> + Send + 'static,
    Last: LastExtractor<S, Via> + Send + 'static,
    Via: 'static,
{
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let (engine, state) = (M::engine(state), state.clone());
        Ok(Self {
            preparation: Box::new(move |spec| {
                Box::pin(prepare::<_, _, Scope, _, _, _>(
                    request, state, engine, spec,
                ))
            }),
            scope: PhantomData,
        })
    }
}

impl<M: TxMode, Scope, Extractors, Last> fmt::Debug
    for IdempotentRequest<M, Scope, Extractors, Last>
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdempotentRequest").finish_non_exhaustive()
    }
}
