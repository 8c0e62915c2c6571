//! The layer as tower knows it.

use std::convert::Infallible;
use std::fmt;
use std::mem;
use std::task::{Context, Poll};

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tower_layer::Layer;
use tower_service::Service;

use crate::extract::head::is_safe;
use crate::layer::IdempotencyLayer;

impl<Inner> Layer<Inner> for IdempotencyLayer {
    type Service = IdempotencyService<Inner>;

    fn layer(&self, inner: Inner) -> IdempotencyService<Inner> {
        let layer = self.clone();
        IdempotencyService { inner, layer }
    }
}

/// A service behind an [`IdempotencyLayer`].
#[derive(Clone)]
pub struct IdempotencyService<Inner> {
    inner: Inner,
    layer: IdempotencyLayer,
}

impl<Inner> Service<Request> for IdempotencyService<Inner>
where
    Inner: Service<Request, Error = Infallible> + Clone + Send + 'static,
    Inner::Response: IntoResponse,
    Inner::Future: Send,
{
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        // The service that was ready is the one to call; its clone must become ready itself.
        let clone = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, clone);
        let respond = |response: Result<Inner::Response, Infallible>| {
            response.map(IntoResponse::into_response)
        };
        if is_safe(request.method()) {
            return Box::pin(inner.call(request).map(respond));
        }
        let IdempotencyLayer {
            spec,
            scope,
            attempts,
            ..
        } = &self.layer;
        // It is called on the handler's task, once the attempt may run.
        let inner =
            Box::new(move |request| async move { respond(inner.call(request).await) }.boxed());
        let answer = attempts.run(*spec, scope.clone(), request, inner);
        Box::pin(answer.map(Ok))
    }
}

impl<Inner> fmt::Debug for IdempotencyService<Inner> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdempotencyService").finish_non_exhaustive()
    }
}
