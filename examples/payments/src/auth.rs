//! Who is asking: the tenant behind a demo key.

use std::borrow::Cow;

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use idem_axum::ScopeKey;

use crate::problem::Problem;

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
        let header = parts
            .headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        match header.and_then(|value| value.strip_prefix("Bearer ")) {
            Some("acme-demo-key") => Ok(Self("acme")),
            Some("globex-demo-key") => Ok(Self("globex")),
            _ => Err(Problem::Unauthorized),
        }
    }
}
