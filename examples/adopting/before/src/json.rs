use axum::Json;
use axum::extract::{FromRequest, Request};
use serde::de::DeserializeOwned;

use crate::error::ApiError;

/// A body that says itself whether it is valid.
pub(crate) trait Validate {
    fn validate(&self) -> Result<(), &'static str>;
}

/// JSON that is valid, else an error of this API.
pub(crate) struct ValidJson<T>(pub(crate) T);

impl<S, T> FromRequest<S> for ValidJson<T>
where
    S: Send + Sync,
    T: DeserializeOwned + Validate,
{
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let Json(body) = Json::<T>::from_request(request, state).await?;
        let checked = body.validate();
        checked.map_err(|why| ApiError::Invalid(why.to_owned()))?;
        Ok(Self(body))
    }
}
