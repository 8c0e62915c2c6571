//! The request of a layer: its scope, and the request as the inner service gets it.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::response::Response;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use idem_core::{InvalidScope, Scope};

use crate::extract::arguments::RequestArguments;
use crate::extract::scope::ScopeIn;
use crate::extract::scope_key::ScopeKey;

/// Whose keys the requests of a layer are: an extractor or a function, without their types.
pub(crate) type FindScope = dyn for<'a> Fn(&'a mut Parts) -> BoxFuture<'a, Result<Result<Scope, InvalidScope>, Response>>
    + Send
    + Sync;

/// The scope by an extractor that implements [`ScopeKey`].
pub(crate) fn extracted<T, S>(state: S) -> Arc<FindScope>
where
    T: FromRequestParts<S> + ScopeKey + 'static,
    S: Clone + Send + Sync + 'static,
{
    Arc::new(move |head| {
        let state = state.clone();
        async move { <T as ScopeIn<S>>::scope(head, &state).await }.boxed()
    })
}

/// The scope by a function of the request's head.
pub(crate) fn computed<F>(find: F) -> Arc<FindScope>
where
    F: Fn(&Parts) -> Result<Scope, InvalidScope> + Send + Sync + 'static,
{
    Arc::new(move |head| ready(Ok(find(head))).boxed())
}

/// A request without a handler: its extractors run behind the layer.
pub(crate) struct LayerRequest {
    pub(crate) scope: Arc<FindScope>,
    /// The request with its body, once that is read.
    pub(crate) request: Option<Request>,
}

impl RequestArguments for LayerRequest {
    fn before_body<'a>(&'a mut self, _: &'a mut Parts) -> BoxFuture<'a, Result<(), Response>> {
        ready(Ok(())).boxed()
    }

    fn scope<'a>(
        &'a mut self,
        head: &'a mut Parts,
    ) -> BoxFuture<'a, Result<Result<Scope, InvalidScope>, Response>> {
        (self.scope)(head)
    }

    fn with_body(&mut self, request: Request) -> BoxFuture<'_, Result<(), Response>> {
        self.request = Some(request);
        ready(Ok(())).boxed()
    }
}
