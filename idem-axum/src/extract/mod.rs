//! The one extractor that the attribute puts in the place of the handler's own.
//!
//! axum calls `FromRequest` of [`IdempotentRequest`] before it calls the function, and so before
//! the attribute's options are known: they are a constant in the function's body, not a part of the
//! type. So extraction only stores the request, and [`IdempotentRequest::prepare`], the first call
//! in the body, does the work. Options therefore make no new types: all handlers with the same
//! extractors, scope and database share their compiled code.
//!
//! | file | what it does |
//! | --- | --- |
//! | `prepare` | the order of the steps, and which of them may refuse in which mode |
//! | `arguments` | what of these steps depends on the handler's types |
//! | `head` | key, operation and the fingerprint's parts, from the request's head |
//! | `name` | scope, operation and key put together to a record's name, or why there is none |
//! | `body` | the body within its limits |
//! | `fingerprint` | the fingerprint, of a long body on another thread |
//! | `last` | the last extractor, before or after the body |
//! | `scope`, `scope_key` | the scope: how the compiler finds it, and whose keys these are |
//! | `party` | the scope that is a parameter of the handler |
//! | `state`, `tx_mode` | the handle in the router's state, and whether the handler has a `Tx` |
//!
//! # Types that only the compiler sees
//!
//! `IdempotentRequest<M, Scope, Extractors, Last>` names what the handler needs: `M` is
//! `WithTx<DB>` or `NoTx`, `Scope` a type or a spelt name, `Extractors` a tuple. None of them
//! mentions the router's state. The state is the parameter of `FromRequest`, so that it is inferred
//! where the handler is routed, as for any other handler.

pub(crate) mod arguments;
mod body;
mod fingerprint;
pub(crate) mod head;
pub(crate) mod last;
mod name;
pub(crate) mod party;
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

use crate::Rejection;
use crate::attempt::PendingAttempt;
use crate::extract::arguments::HandlerArguments;
use crate::extract::last::LastExtractor;
use crate::extract::prepare::prepare;
use crate::extract::scope::ScopeIn;
use crate::extract::state::HasIdempotency;
use crate::extract::tx_mode::{TxMode, TxModeIn};
use crate::spec::Spec;

/// An attempt, and the handler's arguments.
#[derive(Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "only the attribute's own code takes it apart"
)]
pub struct PreparedRequest<E, Extractors, Last> {
    /// The attempt that runs the handler.
    pub attempt: PendingAttempt<E>,
    /// The values of the extractors that need no body.
    pub parts: Extractors,
    /// The value of the last extractor.
    pub last: Last,
}

/// A request that no extractor has seen yet, and the router's state.
///
/// The state's type is hidden in a boxed closure: the function that the attribute makes can name
/// its parameter without it. That box is one allocation for each request.
pub struct IdempotentRequest<M: TxMode, Scope, Extractors, Last> {
    preparation: Box<Preparation<M::Engine, Extractors, Last>>,
    scope: PhantomData<fn() -> Scope>,
}

type Preparation<E, Extractors, Last> =
    dyn FnOnce(&'static Spec) -> BoxFuture<'static, Prepared<E, Extractors, Last>> + Send;

type Prepared<E, Extractors, Last> = Result<PreparedRequest<E, Extractors, Last>, Response>;

impl<M: TxMode, Scope, Extractors, Last> IdempotentRequest<M, Scope, Extractors, Last> {
    /// Runs the handler's extractors and reads what the attempt needs.
    ///
    /// # Errors
    ///
    /// The response of an extractor that refuses the request, or Idem's own. The database has not
    /// been touched, and the key stays free.
    ///
    /// # Cancellation
    ///
    /// Safe to drop: the request is gone, and the bytes of its body are given back to the node.
    pub fn prepare(
        self,
        spec: &'static Spec,
    ) -> BoxFuture<'static, Prepared<M::Engine, Extractors, Last>> {
        (self.preparation)(spec)
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
                Box::pin(async move {
                    let mut arguments = HandlerArguments::<S, Scope, _, _, Via>::new(state);
                    let attempt = prepare(request, &mut arguments, engine, *spec).await?;
                    let HandlerArguments { parts, last, .. } = arguments;
                    match (parts, last) {
                        (Some(parts), Some(last)) => Ok(PreparedRequest {
                            attempt,
                            parts,
                            last,
                        }),
                        // `prepare` runs all extractors.
                        _ => Err(Rejection::Misconfigured.into_response(&attempt.http)),
                    }
                })
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
