//! What of a request's preparation depends on the handler's types.
//!
//! Generic code is compiled once for each handler, and an application has hundreds of them. So the
//! order of the steps is written once, in [`prepare`](crate::extract::prepare), and what differs is
//! called through a trait object.

use std::marker::PhantomData;

use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use futures_util::future::BoxFuture;
use idem_core::{InvalidScope, Scope};

use crate::extract::last::LastExtractor;
use crate::extract::scope::ScopeIn;

/// The steps of a preparation that are the handler's own, in the order in which they are called.
///
/// Their errors are the responses of extractors that refuse the request.
pub(crate) trait RequestArguments: Send {
    /// Runs the extractors that need no body.
    fn before_body<'a>(&'a mut self, head: &'a mut Parts) -> BoxFuture<'a, Result<(), Response>>;

    /// Finds out whose keys these are. The inner error is a scope that names nobody.
    fn scope<'a>(
        &'a mut self,
        head: &'a mut Parts,
    ) -> BoxFuture<'a, Result<Result<Scope, InvalidScope>, Response>>;

    /// Runs the extractor that needs the body, if there is one.
    fn with_body(&mut self, request: Request) -> BoxFuture<'_, Result<(), Response>>;
}

/// The values of a handler's extractors, each there once it has run.
pub(crate) struct HandlerArguments<S, ScopeOf, Extractors, Last, Via> {
    state: S,
    pub(crate) parts: Option<Extractors>,
    pub(crate) last: Option<Last>,
    types: PhantomData<fn() -> (ScopeOf, Via)>,
}

impl<S, ScopeOf, Extractors, Last, Via> HandlerArguments<S, ScopeOf, Extractors, Last, Via> {
    pub(crate) fn new(state: S) -> Self {
        Self {
            state,
            parts: None,
            last: None,
            types: PhantomData,
        }
    }
}

impl<S, ScopeOf, Extractors, Last, Via> RequestArguments
    for HandlerArguments<S, ScopeOf, Extractors, Last, Via>
where
    S: Send + Sync,
    ScopeOf: ScopeIn<S>,
    Extractors: FromRequestParts<S> + Send,
    Last: LastExtractor<S, Via> + Send,
{
    fn before_body<'a>(&'a mut self, head: &'a mut Parts) -> BoxFuture<'a, Result<(), Response>> {
        Box::pin(async move {
            let parts = Extractors::from_request_parts(head, &self.state).await;
            self.parts = Some(parts.map_err(IntoResponse::into_response)?);
            self.last = Last::before_body(head, &self.state).await?;
            Ok(())
        })
    }

    fn scope<'a>(
        &'a mut self,
        head: &'a mut Parts,
    ) -> BoxFuture<'a, Result<Result<Scope, InvalidScope>, Response>> {
        Box::pin(ScopeOf::scope(head, &self.state))
    }

    fn with_body(&mut self, request: Request) -> BoxFuture<'_, Result<(), Response>> {
        Box::pin(async move {
            if self.last.is_none() {
                self.last = Some(Last::after_body(request, &self.state).await?);
            }
            Ok(())
        })
    }
}
