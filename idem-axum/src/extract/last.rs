//! The handler's last extractor, the only one that may read the body.
//!
//! axum tells `FromRequestParts` and `FromRequest` apart by a marker type that is inferred, since
//! two blanket impls of one trait would overlap. The same is done here: [`ViaParts`] and
//! [`ViaBody`] are that marker, `Via` in the signatures, and nobody writes it. A type that
//! implements both traits would be ambiguous, as it is in axum.

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};

/// The handler's last extractor, which may or may not read the body.
///
/// One that does not read it runs with the others, before the body is read. `Via` says of which
/// kind it is, and the compiler infers it.
///
/// So a handler whose last parameter authorises, such as `async fn cancel(user: User)`, is refused
/// before its body is buffered, as if a `Json` stood behind it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no extractor in a router of state `{S}`",
    label = "a handler's argument implements `FromRequestParts`, the last one may implement `FromRequest`",
    note = "an extractor may ask more of the state than it offers, such as a `FromRef`"
)]
pub trait LastExtractor<S, Via>: Sized {
    /// Extracts if the body is not needed; else `None`.
    fn before_body(
        parts: &mut Parts,
        state: &S,
    ) -> impl Future<Output = Result<Option<Self>, Response>> + Send;

    /// Extracts from the whole request. Called only if [`before_body`](Self::before_body) returned
    /// `None`, so that no extractor runs twice: one that takes a token or counts a login must not.
    fn after_body(
        request: Request,
        state: &S,
    ) -> impl Future<Output = Result<Self, Response>> + Send;
}

/// Marks extractors that need no body.
#[derive(Debug)]
pub struct ViaParts(());

/// Marks extractors that read the body.
#[derive(Debug)]
pub struct ViaBody(());

impl<S: Sync, T: FromRequestParts<S>> LastExtractor<S, ViaParts> for T {
    async fn before_body(parts: &mut Parts, state: &S) -> Result<Option<Self>, Response> {
        let extracted = T::from_request_parts(parts, state).await;
        extracted.map(Some).map_err(IntoResponse::into_response)
    }

    async fn after_body(request: Request, state: &S) -> Result<Self, Response> {
        let (mut parts, _) = request.into_parts();
        let extracted = T::from_request_parts(&mut parts, state).await;
        extracted.map_err(IntoResponse::into_response)
    }
}

impl<S: Sync, T: FromRequest<S>> LastExtractor<S, ViaBody> for T {
    async fn before_body(_: &mut Parts, _: &S) -> Result<Option<Self>, Response> {
        Ok(None)
    }

    async fn after_body(request: Request, state: &S) -> Result<Self, Response> {
        T::from_request(request, state)
            .await
            .map_err(IntoResponse::into_response)
    }
}
