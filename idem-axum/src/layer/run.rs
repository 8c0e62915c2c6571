//! An attempt around an inner service, on the attribute's own steps.
//!
//! ```text
//! prepare ── claim ── inner service ── finish
//! ```

use std::convert::Infallible;
use std::panic::resume_unwind;
use std::pin::pin;
use std::sync::Arc;

use axum::extract::Request;
use axum::response::Response;
use futures_util::future::BoxFuture;
use idem_core::{Backend, Idempotency, RolloutMode};

use crate::Rejection;
use crate::attempt::PendingAttempt;
use crate::attempt::active::ActiveAttempt;
use crate::attempt::context::AttemptContext;
use crate::attempt::engine::AttemptEngine;
use crate::attempt::supervise::{HandlerAbort, supervise};
use crate::attempt::without_tx::EngineWithoutTx;
use crate::extract::prepare::{UnderLayer, prepare};
use crate::layer::request::{FindScope, LayerRequest};
use crate::layer::tx::TxSlot;
use crate::response::output::HandlerResponse;
use crate::spec::Spec;

/// The call of the inner service, which is ready.
pub(crate) type Inner =
    Box<dyn FnOnce(Request) -> BoxFuture<'static, Result<Response, Infallible>> + Send>;

/// Runs the attempts of a layer, whatever its database is.
pub(crate) trait RunAttempt: Send + Sync {
    fn run(
        &self,
        spec: Spec,
        scope: Arc<FindScope>,
        request: Request,
        inner: Inner,
    ) -> BoxFuture<'static, Response>;
}

impl<E: LayerEngine> RunAttempt for E {
    fn run(
        &self,
        spec: Spec,
        scope: Arc<FindScope>,
        request: Request,
        inner: Inner,
    ) -> BoxFuture<'static, Response> {
        let engine = self.clone();
        Box::pin(async move {
            let (attempt, request) = match begin(engine, spec, scope, request).await {
                Ok(begun) => begun,
                Err(answer) => return answer,
            };
            let work = move |attempt: ActiveAttempt<E>| async move {
                let (deadline, context) = (attempt.deadline(), attempt.context().clone());
                let mut request = with_keys(request, &attempt);
                let lent = E::lend(attempt, &mut request);
                let result = {
                    let call = pin!(call(inner, request));
                    supervise(deadline, call).await
                };
                match E::take_back(lent) {
                    Some(attempt) => attempt.finish(result).await,
                    None => kept(&context, result),
                }
            };
            attempt.run(work).await
        })
    }
}

/// What the inner service can take of an attempt.
pub(crate) trait LayerEngine: AttemptEngine {
    /// The attempt, while the inner service runs.
    type Lent: Send;

    /// Offers the attempt to the request's handler.
    fn lend(attempt: ActiveAttempt<Self>, request: &mut Request) -> Self::Lent;

    /// The attempt, to end it. `None`: a handler keeps it.
    fn take_back(lent: Self::Lent) -> Option<ActiveAttempt<Self>>;
}

/// The inner service has no transaction of Idem's.
impl LayerEngine for EngineWithoutTx {
    type Lent = ActiveAttempt<Self>;

    fn lend(attempt: ActiveAttempt<Self>, _: &mut Request) -> ActiveAttempt<Self> {
        attempt
    }

    fn take_back(lent: ActiveAttempt<Self>) -> Option<ActiveAttempt<Self>> {
        Some(lent)
    }
}

/// The inner service may take the transaction, as a `LayerTx`.
impl<DB: Backend> LayerEngine for Idempotency<DB> {
    type Lent = TxSlot<DB>;

    fn lend(attempt: ActiveAttempt<Self>, request: &mut Request) -> TxSlot<DB> {
        let slot = TxSlot::new(attempt);
        request.extensions_mut().insert(slot.clone());
        slot
    }

    fn take_back(lent: TxSlot<DB>) -> Option<ActiveAttempt<Self>> {
        lent.close()
    }
}

/// The response where a handler keeps the transaction. What it keeps rolls back when it is dropped.
fn kept(context: &AttemptContext, result: Result<HandlerResponse, HandlerAbort>) -> Response {
    tracing::error!(
        "a handler keeps its `LayerTx` after its response: nothing commits. Pass `&mut tx` to what the \
         handler awaits, and do not move the `LayerTx` into a task or the response's body"
    );
    match result {
        // As without the layer.
        Err(HandlerAbort::Panicked(panic)) if context.mode != RolloutMode::Enforce => {
            resume_unwind(panic)
        }
        _ => context.refuse(Rejection::Misconfigured),
    }
}

async fn begin<E: AttemptEngine>(
    engine: E,
    spec: Spec,
    scope: Arc<FindScope>,
    request: Request,
) -> Result<(PendingAttempt<E>, Request), Response> {
    let mut layered = LayerRequest {
        scope,
        request: None,
    };
    let attempt = prepare(request, &mut layered, engine, spec).await?;
    let Some(mut request) = layered.request else {
        tracing::error!("a request was not prepared");
        return Err(Rejection::Misconfigured.into_response(&attempt.http));
    };
    request.extensions_mut().insert(UnderLayer);
    Ok((attempt, request))
}

/// A handler takes the keys as an `Extension`.
fn with_keys<E: AttemptEngine>(mut request: Request, attempt: &ActiveAttempt<E>) -> Request {
    request.extensions_mut().insert(attempt.downstream_keys());
    request
}

/// The layer does not see whether a handler returned an `Err`. So an error's status counts as one: its
/// writes are rolled back, as `?` leads one to expect.
async fn call(inner: Inner, request: Request) -> HandlerResponse {
    let Ok(response) = inner(request).await;
    let status = response.status();
    let is_err = status.is_client_error() || status.is_server_error();
    HandlerResponse { response, is_err }
}
