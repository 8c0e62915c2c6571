//! Whose keys an operation's keys are.

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use axum::Extension;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use idem_core::{InvalidScope, Scope};

/// An extractor that says whose keys these are: a tenant, a user, an account.
///
/// The text must come from who is *authenticated*: a verified token, a session, a client
/// certificate. Never make it from a header that a client can set at will, or one client is
/// answered with another one's stored responses.
///
/// # Examples
///
/// ```
/// use std::borrow::Cow;
/// struct Tenant(String); // an extractor that rejects with 401 without a valid token
/// impl idem_axum::ScopeKey for Tenant {
///     fn scope_key(&self) -> Cow<'_, str> {
///         Cow::Borrowed(&self.0)
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say whose keys these are",
    label = "a scope is an extractor that implements `ScopeKey`",
    note = "implement `idem_axum::ScopeKey` for it, from who is authenticated, never from a plain header"
)]
pub trait ScopeKey {
    /// The stable text that names the party. An empty one is answered with 401.
    fn scope_key(&self) -> Cow<'_, str>;

    /// The text as a validated scope.
    ///
    /// # Errors
    ///
    /// [`InvalidScope`] when the text names nobody.
    fn scope(&self) -> Result<Scope, InvalidScope> {
        Scope::new(&self.scope_key())
    }
}

impl<T: ScopeKey> ScopeKey for Extension<T> {
    fn scope_key(&self) -> Cow<'_, str> {
        self.0.scope_key()
    }

    fn scope(&self) -> Result<Scope, InvalidScope> {
        self.0.scope()
    }
}

impl<A: ScopeKey, B: ScopeKey> ScopeKey for (A, B) {
    fn scope_key(&self) -> Cow<'_, str> {
        let (a, b) = (self.0.scope_key(), self.1.scope_key());
        format!("{}:{a}{}:{b}", a.len(), b.len()).into()
    }

    fn scope(&self) -> Result<Scope, InvalidScope> {
        Scope::joined([&*self.0.scope_key(), &*self.1.scope_key()])
    }
}

impl<A: ScopeKey, B: ScopeKey, C: ScopeKey> ScopeKey for (A, B, C) {
    fn scope_key(&self) -> Cow<'_, str> {
        let (a, b, c) = (self.0.scope_key(), self.1.scope_key(), self.2.scope_key());
        format!("{}:{a}{}:{b}{}:{c}", a.len(), b.len(), c.len()).into()
    }

    fn scope(&self) -> Result<Scope, InvalidScope> {
        Scope::joined([
            &*self.0.scope_key(),
            &*self.1.scope_key(),
            &*self.2.scope_key(),
        ])
    }
}

/// `scope = "global"`: the keys of one operation are everybody's.
#[derive(Clone, Copy, Debug)]
pub struct Global;

impl<S: Sync> FromRequestParts<S> for Global {
    type Rejection = Infallible;

    async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self)
    }
}

impl ScopeKey for Global {
    fn scope_key(&self) -> Cow<'_, str> {
        Cow::Borrowed("global")
    }
}

/// `scope = "name"`, spelt in characters so that the compiler can look it up.
pub struct Named<Name>(PhantomData<fn() -> Name>);

impl<Name> fmt::Debug for Named<Name> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Named")
    }
}

/// A character of a [`Named`] scope.
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
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say whose keys these are",
    label = "not a scope in a router of state `{S}`",
    note = "a scope is a name in the state's `#[scopes(…)]`, or an extractor that implements `ScopeKey`"
)]
pub trait ScopeIn<S> {
    /// Finds out whose keys these are.
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

impl<S, Name> ScopeIn<S> for Named<Name>
where
    S: ScopeFor<Self> + Sync,
    S::Extractor: FromRequestParts<S> + ScopeKey,
{
    async fn scope(parts: &mut Parts, state: &S) -> Result<Result<Scope, InvalidScope>, Response> {
        <S::Extractor as ScopeIn<S>>::scope(parts, state).await
    }
}
