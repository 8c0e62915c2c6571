use axum::extract::{FromRef, FromRequestParts};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use jsonwebtoken::{DecodingKey, Validation, decode};
use serde::{Deserialize, Serialize};

use crate::error::ApiError;

/// Who has logged in.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Claims {
    /// The customer's id.
    pub(crate) sub: String,
    pub(crate) exp: u64,
}

#[derive(Clone)]
pub(crate) struct Tokens {
    key: DecodingKey,
}

impl Tokens {
    pub(crate) fn new(secret: &str) -> jsonwebtoken::errors::Result<Self> {
        let key = DecodingKey::from_secret(secret.as_bytes())?;
        Ok(Self { key })
    }

    fn verify(&self, token: &str) -> Result<Claims, ApiError> {
        let decoded = decode::<Claims>(token, &self.key, &Validation::default());
        decoded.map(|token| token.claims).map_err(|error| {
            tracing::debug!("token refused: {error}");
            ApiError::NotAuthenticated
        })
    }
}

impl<S> FromRequestParts<S> for Claims
where
    Tokens: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let header = parts.headers.get(AUTHORIZATION);
        let token = header
            .and_then(|header| header.to_str().ok())
            .and_then(|header| header.strip_prefix("Bearer "))
            .ok_or(ApiError::NotAuthenticated)?;
        Tokens::from_ref(state).verify(token)
    }
}
