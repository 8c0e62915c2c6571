//! The authenticated tenant of a demo key.

use std::borrow::Cow;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use idem_axum::ScopeKey;

use crate::problem::Problem;

/// The tenant that the page at `/` acts for.
pub(crate) const DEMO_TENANT: &str = "acme";
/// Its key, which everybody knows.
pub(crate) const DEMO_KEY: &str = "acme-demo-key";

/// The authenticated tenant. Its name is the scope of its idempotency keys.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tenant(pub(crate) &'static str);

impl ScopeKey for Tenant {
    fn scope_key(&self) -> Cow<'_, str> {
        Cow::Borrowed(self.0)
    }
}

impl<S: Sync> FromRequestParts<S> for Tenant {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match bearer(&parts.headers) {
            Some(key) if key == DEMO_KEY.as_bytes() => Ok(Self(DEMO_TENANT)),
            Some(b"globex-demo-key") => Ok(Self("globex")),
            _ => Err(Problem::Unauthorized),
        }
    }
}

/// The key after `Bearer`, which may be in any case (RFC 9110, section 11.1).
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let credentials = headers.get(AUTHORIZATION)?.as_bytes();
    let (scheme, key) = credentials.split_at_checked(b"Bearer".len())?;
    let key = key.strip_prefix(b" ")?.trim_ascii_start();
    scheme.eq_ignore_ascii_case(b"Bearer").then_some(key)
}
