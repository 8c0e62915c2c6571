//! Who an idempotency key belongs to.

use std::borrow::Cow;
use std::convert::Infallible;

use axum::Extension;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use idem_core::{InvalidScope, Scope};

/// An extractor that names the owner of an idempotency key: a tenant, a user, an account.
///
/// Two owners may send the same key, and neither gets the other's response. So the text must come
/// from who is *authenticated*: a verified token, a session, a client certificate. Never make it
/// from a header that a client can set at will: one client would get another one's stored
/// responses.
///
/// # When to use which
///
/// * **One owner**: implement this trait for the extractor that your handlers take already, such as
///   `Tenant`, and name it in the state: `#[scopes(tenant = Tenant)]` and `scope = "tenant"`.
/// * **An owner within another**: a tuple, `(Tenant, User)`, if users of different tenants may have
///   the same name. Each part counts with its length, so that no two tuples have the same text.
/// * **A middleware authenticates**: [`Extension<T>`](axum::Extension) of the type that it puts
///   into the request.
/// * **All callers are one owner**, such as the one sender of a webhook: `scope = "global"`,
///   without this trait.
///
/// Records are stored under the text. If it changes, the keys of before are forgotten, and such a
/// retry runs.
///
/// # Examples
///
/// ```
/// use std::borrow::Cow;
///
/// use axum::extract::FromRequestParts;
/// use axum::http::{StatusCode, request::Parts};
/// use idem_axum::{Scope, ScopeKey};
///
/// struct Tenant(String);
///
/// impl<S: Sync> FromRequestParts<S> for Tenant {
///     type Rejection = StatusCode;
///
///     async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, StatusCode> {
///         // What an authentication layer has verified.
///         let tenant = parts.extensions.get::<Verified>().ok_or(StatusCode::UNAUTHORIZED)?;
///         Ok(Self(tenant.0.clone()))
///     }
/// }
/// # #[derive(Clone)]
/// # struct Verified(String);
///
/// impl ScopeKey for Tenant {
///     fn scope_key(&self) -> Cow<'_, str> {
///         Cow::Borrowed(&self.0)
///     }
/// }
///
/// assert_eq!(Tenant("acme".into()).scope().unwrap().as_str(), "acme");
/// assert!(Tenant(String::new()).scope().is_err());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say whose keys these are",
    label = "a scope is an extractor that implements `ScopeKey`",
    note = "implement `idem_axum::ScopeKey` for it, from who is authenticated, never from a plain header"
)]
pub trait ScopeKey {
    /// The stable text that names the owner. An empty text gets 401 `scope-missing`.
    fn scope_key(&self) -> Cow<'_, str>;

    /// The text as a validated scope.
    ///
    /// Override it only for a value that has a text and yet names nobody, such as a guest. A text
    /// of more than 255 bytes becomes its SHA-256, so nothing has to be cut.
    ///
    /// # Errors
    ///
    /// [`InvalidScope`] if the text is empty or holds a NUL character.
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

/// Names nobody where one of its parts names nobody, at any depth.
impl<A: ScopeKey, B: ScopeKey> ScopeKey for (A, B) {
    fn scope_key(&self) -> Cow<'_, str> {
        joined(&[&self.0, &self.1]).into()
    }
}

/// Names nobody where one of its parts names nobody, at any depth.
impl<A: ScopeKey, B: ScopeKey, C: ScopeKey> ScopeKey for (A, B, C) {
    fn scope_key(&self) -> Cow<'_, str> {
        joined(&[&self.0, &self.1, &self.2]).into()
    }
}

/// The texts of all parts, each preceded by its length; empty where one of them names nobody.
///
/// `("a", "bc")` is `1:a2:bc` and `("ab", "c")` is `2:ab1:c`: without the lengths, two parties
/// would share their keys. An empty text makes the whole tuple invalid, at any depth, so
/// `(tenant, nobody)` gets 401 and not the keys of all who are nobody in that tenant.
///
/// Records are stored under these texts, so the form never changes.
fn joined(parts: &[&dyn ScopeKey]) -> String {
    let mut joined = String::new();
    for part in parts {
        let text = part.scope_key();
        if text.is_empty() || part.scope().is_err() {
            return String::new();
        }
        joined.push_str(&format!("{}:{text}", text.len()));
    }
    joined
}

/// `scope = "global"`: all callers of one operation share its keys.
///
/// Records are stored under its text, which therefore never changes.
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

#[cfg(test)]
mod tests {
    use super::*;

    struct Party(&'static str);

    impl ScopeKey for Party {
        fn scope_key(&self) -> Cow<'_, str> {
            self.0.into()
        }
    }

    /// A type of the application around a tuple.
    struct Wrapped((Party, Party));

    impl ScopeKey for Wrapped {
        fn scope_key(&self) -> Cow<'_, str> {
            self.0.scope_key()
        }
    }

    /// Has a text for everybody, but names nobody who is not logged in.
    struct Guest;

    impl ScopeKey for Guest {
        fn scope_key(&self) -> Cow<'_, str> {
            "guest".into()
        }

        fn scope(&self) -> Result<Scope, InvalidScope> {
            Err(InvalidScope)
        }
    }

    const EU: Party = Party("eu");
    const BOB: Party = Party("bob");
    const NOBODY: Party = Party("");

    #[track_caller]
    fn assert_names(party: &impl ScopeKey, text: &str) {
        let scope = party.scope();
        assert_eq!(scope.as_ref().map(Scope::as_str), Ok(text));
    }

    #[test]
    fn the_stored_text_of_a_tuple_scope_never_changes() {
        assert_names(&(EU, BOB), "2:eu3:bob");
        assert_names(&(EU, BOB, EU), "2:eu3:bob2:eu");
        assert_names(&((EU, BOB), EU), "9:2:eu3:bob2:eu");
        assert_names(&(EU, (BOB, EU)), "2:eu9:3:bob2:eu");
        assert_names(&(Extension(EU), Global), "2:eu6:global");
        assert_names(&Extension((EU, BOB)), "2:eu3:bob");
        assert_names(&(Wrapped((EU, BOB)), EU), "9:2:eu3:bob2:eu");
    }

    #[test]
    fn a_tuple_scope_with_an_invalid_part_is_invalid_at_any_depth() {
        let parties: &[&dyn ScopeKey] = &[
            &(EU, NOBODY),
            &(NOBODY, BOB),
            &(EU, BOB, NOBODY),
            &((EU, NOBODY), BOB),
            &(BOB, (EU, NOBODY)),
            &(EU, (NOBODY, BOB, EU), BOB),
            &(((EU, NOBODY), BOB), EU),
            &(((NOBODY, NOBODY), NOBODY), NOBODY),
            &Extension((EU, NOBODY)),
            &(Extension((EU, Extension(NOBODY))), BOB),
            &Wrapped((EU, NOBODY)),
            &(Wrapped((EU, NOBODY)), BOB),
            &(EU, Guest),
            &((EU, Guest), BOB),
            &(EU, Party("b\0b")),
            &((EU, Party("b\0b")), BOB),
        ];
        for (number, party) in parties.iter().enumerate() {
            assert_eq!(party.scope(), Err(InvalidScope), "{number}");
        }
    }

    #[test]
    fn a_long_scope_part_is_accepted_and_the_long_scope_is_hashed() {
        let long = || Party(Box::leak("u".repeat(300).into_boxed_str()));
        let scope = ((EU, long()), BOB).scope().unwrap();
        assert!(scope.as_str().starts_with("sha256:"));
        assert_eq!(scope, Scope::new(&((EU, long()), BOB).scope_key()).unwrap());
    }
}
