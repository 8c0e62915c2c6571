//! The one extractor that the attribute puts in the place of the handler's own.
//!
//! It keeps the request until the attribute says what its operation is; how it is taken apart is
//! told in [`arrive`](crate::extract::prepare).

pub(crate) mod head;
pub(crate) mod prepare;
pub(crate) mod scope;
pub(crate) mod state;

use std::fmt;
use std::marker::PhantomData;

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use futures_util::future::BoxFuture;
use idem_core::Backend;

use crate::Idempotency;
use crate::attempt::engine::Runtime;
use crate::attempt::without_tx::WithoutTx;
use crate::extract::prepare::{Taken, take_apart};
use crate::extract::scope::ScopeIn;
use crate::extract::state::{HasIdempotency, SameDb};
use crate::spec::Spec;

/// The handler takes a `Tx<DB>`.
#[derive(Debug)]
pub struct WithTx<DB>(PhantomData<fn() -> DB>);

/// The handler takes no `Tx`.
#[derive(Debug)]
pub struct NoTx;

/// How a handler runs.
pub trait Mode {
    /// What runs it.
    type Runtime: Runtime;
}

/// How a handler runs in a router of state `S`.
pub trait ModeIn<S>: Mode {
    /// Takes the runtime from the state.
    fn runtime(state: &S) -> Self::Runtime;
}

impl<DB: Backend> Mode for WithTx<DB> {
    type Runtime = Idempotency<DB>;
}

impl<S: HasIdempotency, DB: SameDb<S::Db>> ModeIn<S> for WithTx<DB> {
    fn runtime(state: &S) -> Idempotency<DB> {
        DB::same(state.idempotency()).clone()
    }
}

impl Mode for NoTx {
    type Runtime = WithoutTx;
}

impl<S: HasIdempotency> ModeIn<S> for NoTx {
    fn runtime(state: &S) -> WithoutTx {
        WithoutTx::new(state.idempotency().clone())
    }
}

/// A request that is still to be taken apart, and the router's state.
///
/// `MAX_BODY` is in bytes, 0 for the route's `DefaultBodyLimit`.
pub struct Call<M: Mode, Scope, Extractors, Last, const MAX_BODY: usize, const KEY_REQUIRED: bool> {
    take_apart: Box<TakeApart<M::Runtime, Extractors, Last>>,
    scope: PhantomData<fn() -> Scope>,
}

type TakeApart<R, Extractors, Last> = dyn FnOnce(&'static Spec) -> BoxFuture<'static, Result<Taken<R, Extractors, Last>, Response>>
    + Send;

impl<M: Mode, Scope, Extractors, Last, const MAX_BODY: usize, const KEY_REQUIRED: bool>
    Call<M, Scope, Extractors, Last, MAX_BODY, KEY_REQUIRED>
{
    /// The attempt, and the handler's arguments.
    ///
    /// # Errors
    ///
    /// The answer of an extractor that refuses the request, or Idem's own.
    pub async fn split(
        self,
        spec: &'static Spec,
    ) -> Result<Taken<M::Runtime, Extractors, Last>, Response> {
        (self.take_apart)(spec).await
    }
}

impl<S, Via, M, Scope, Extractors, Last, const MAX_BODY: usize, const KEY_REQUIRED: bool>
    FromRequest<S, (Via,)> for Call<M, Scope, Extractors, Last, MAX_BODY, KEY_REQUIRED>
where
    S: HasIdempotency + Clone + Send + Sync + 'static,
    M: ModeIn<S>,
    Scope: ScopeIn<S> + 'static,
    Extractors: FromRequestParts<S> + Send + 'static,
    Last: LastExtractor<S, Via> + Send + 'static,
    Via: 'static,
{
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let (runtime, state) = (M::runtime(state), state.clone());
        Ok(Self {
            take_apart: Box::new(move |spec| {
                Box::pin(take_apart::<_, _, Scope, _, _, _>(
                    request,
                    state,
                    runtime,
                    spec,
                    MAX_BODY,
                    KEY_REQUIRED,
                ))
            }),
            scope: PhantomData,
        })
    }
}

impl<M: Mode, Scope, Extractors, Last, const MAX_BODY: usize, const KEY_REQUIRED: bool> fmt::Debug
    for Call<M, Scope, Extractors, Last, MAX_BODY, KEY_REQUIRED>
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").finish_non_exhaustive()
    }
}

/// The handler's last extractor, which may or may not read the body.
///
/// One that does not runs with the others, before the body is read.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no extractor in a router of state `{S}`",
    label = "a handler's argument implements `FromRequestParts`, the last one may implement `FromRequest`",
    note = "an extractor may ask more of the state than it offers, such as a `FromRef`"
)]
pub trait LastExtractor<S, Via>: Sized {
    /// Extracts where the body is not needed; else `None`.
    fn before_body(
        parts: &mut Parts,
        state: &S,
    ) -> impl Future<Output = Result<Option<Self>, Response>> + Send;

    /// Extracts from the whole request.
    fn after_body(
        request: Request,
        state: &S,
    ) -> impl Future<Output = Result<Self, Response>> + Send;
}

/// Marks extractors that need no body.
#[derive(Debug)]
pub struct ViaParts(());

/// Marks extractors that read the body.
#[derive(Debug)]
pub struct ViaBody(());

impl<S: Sync, T: FromRequestParts<S>> LastExtractor<S, ViaParts> for T {
    async fn before_body(parts: &mut Parts, state: &S) -> Result<Option<Self>, Response> {
        let extracted = T::from_request_parts(parts, state).await;
        extracted.map(Some).map_err(IntoResponse::into_response)
    }

    async fn after_body(request: Request, state: &S) -> Result<Self, Response> {
        let (mut parts, _) = request.into_parts();
        let extracted = T::from_request_parts(&mut parts, state).await;
        extracted.map_err(IntoResponse::into_response)
    }
}

impl<S: Sync, T: FromRequest<S>> LastExtractor<S, ViaBody> for T {
    async fn before_body(_: &mut Parts, _: &S) -> Result<Option<Self>, Response> {
        Ok(None)
    }

    async fn after_body(request: Request, state: &S) -> Result<Self, Response> {
        T::from_request(request, state)
            .await
            .map_err(IntoResponse::into_response)
    }
}
