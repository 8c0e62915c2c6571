//! `scope = claims`: the scope that is a parameter of the handler.
//!
//! A scope's extractor may cost something: it asks a session store, or checks a signature. Where the
//! handler takes the same value, it runs once: [`Party`] stands in the parameter's place among the
//! extractors and leaves its scope in the request, where [`ExtractedScope`] finds it.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::response::Response;
use idem_core::{InvalidScope, Scope};

use crate::extract::scope::ScopeIn;
use crate::extract::scope_key::ScopeKey;

/// The extractor of the parameter that names the scope.
#[derive(Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "only the attribute's own code takes it apart"
)]
pub struct Party<T>(
    /// The parameter's value.
    pub T,
);

impl<S: Sync, T: FromRequestParts<S> + ScopeKey> FromRequestParts<S> for Party<T> {
    type Rejection = T::Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, T::Rejection> {
        let party = T::from_request_parts(parts, state).await?;
        parts.extensions.insert(Found(party.scope()));
        Ok(Self(party))
    }
}

/// The scope that [`Party`] has left in the request.
#[derive(Debug)]
pub struct ExtractedScope(());

#[derive(Clone)]
struct Found(Result<Scope, InvalidScope>);

impl<S: Sync> ScopeIn<S> for ExtractedScope {
    async fn scope(parts: &mut Parts, _: &S) -> Result<Result<Scope, InvalidScope>, Response> {
        let found = parts.extensions.remove::<Found>();
        Ok(found.map_or(Err(InvalidScope), |Found(scope)| scope))
    }
}
