//! A scope as the attribute writes it: a name or a type, looked up by the compiler.
//!
//! ```text
//! #[scopes(tenant = Tenant)] on AppState      impl ScopeFor<NamedScope<(Ch<'t'>, …)>> for AppState
//! #[idempotent(scope = "tenant")]             IdempotentRequest<_, NamedScope<(Ch<'t'>, …)>, _, _>
//! routed with AppState                        NamedScope<(Ch<'t'>, …)>: ScopeIn<AppState>
//!                                             → Tenant: FromRequestParts<AppState> + ScopeKey
//! ```
//!
//! Attribute and state are in different modules, often in different crates. A name that is a type
//! joins them without a registry: a misspelt name does not compile, a name may mean different
//! things in two routers, and nothing is looked up at run time.
//!
//! The two impls of [`ScopeIn`] do not overlap because [`NamedScope`] implements neither
//! `FromRequestParts` nor `ScopeKey`, and it must not.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use idem_core::{InvalidScope, Scope};

use crate::extract::scope_key::ScopeKey;

/// `scope = "name"`, spelt in characters so that the compiler can look it up.
pub struct NamedScope<Name>(PhantomData<fn() -> Name>);

impl<Name> fmt::Debug for NamedScope<Name> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NamedScope")
    }
}

/// A character of a [`NamedScope`].
#[derive(Debug)]
pub struct Ch<const C: char>;

/// What a state's `#[scopes(name = Extractor)]` expands to.
#[diagnostic::on_unimplemented(
    message = "the router state `{Self}` does not define this idempotency scope",
    label = "no scope of this name in `#[scopes(…)]` of `{Self}`",
    note = "write `#[scopes(name = Extractor)]` beside `#[derive(HasIdempotency)]`, or name a type: `scope = Extractor`"
)]
pub trait ScopeFor<Name> {
    /// The extractor behind the name.
    type Extractor;
}

impl<S: ScopeFor<Name> + ?Sized, Name> ScopeFor<Name> for Arc<S> {
    type Extractor = S::Extractor;
}

/// A scope as the attribute writes it, in a router of state `S`.
///
/// The inner error is a scope that was extracted and names nobody, such as an empty tenant; Idem
/// responds with 401 `scope-missing`. The outer one is the extractor's own response.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say whose keys these are",
    label = "not a scope in a router of state `{S}`",
    note = "a scope is a name in the state's `#[scopes(…)]`, or an extractor that implements `ScopeKey`"
)]
pub trait ScopeIn<S> {
    /// The scope of a request.
    fn scope(
        parts: &mut Parts,
        state: &S,
    ) -> impl Future<Output = Result<Result<Scope, InvalidScope>, Response>> + Send;
}

impl<S, T> ScopeIn<S> for T
where
    S: Sync,
    T: FromRequestParts<S> + ScopeKey,
{
    async fn scope(parts: &mut Parts, state: &S) -> Result<Result<Scope, InvalidScope>, Response> {
        match T::from_request_parts(parts, state).await {
            Ok(party) => Ok(party.scope()),
            Err(rejection) => Err(rejection.into_response()),
        }
    }
}

impl<S, Name> ScopeIn<S> for NamedScope<Name>
where
    S: ScopeFor<Self> + Sync,
    S::Extractor: FromRequestParts<S> + ScopeKey,
{
    async fn scope(parts: &mut Parts, state: &S) -> Result<Result<Scope, InvalidScope>, Response> {
        <S::Extractor as ScopeIn<S>>::scope(parts, state).await
    }
}
