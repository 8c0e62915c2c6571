//! Tells a handler's `Err` from its other answers, whatever its return type is called.
//!
//! An `Err` rolls back even if its status is 200, so the status alone does not say it. The
//! attribute sees the return type as tokens, where an alias of `Result` looks like any other type.
//! So the compiler chooses, by a rule that needs no specialisation: an inherent method wins over a
//! trait's.
//!
//! ```text
//! HandlerOutput(value).respond()
//!     value: Result<T, E>, also through an alias   the inherent method, is_err = self.0.is_err()
//!     value: anything else, `impl IntoResponse`    the trait's method, is_err = false
//! ```
//!
//! Behind `impl IntoResponse` a `Result` is hidden from the compiler too, and only its status
//! counts.

use axum::response::{IntoResponse, Response};

/// The response of a handler.
#[derive(Debug)]
pub struct HandlerResponse {
    pub(crate) response: Response,
    /// The handler returned an `Err`.
    pub(crate) is_err: bool,
}

/// What a handler has returned.
///
/// `respond` is inherent for a `Result` and comes from [`AnyHandlerOutput`] for the rest; an
/// inherent method wins, so this works through aliases of `Result` and for opaque types.
#[derive(Debug)]
pub struct HandlerOutput<T>(pub T);

impl<T, E> HandlerOutput<Result<T, E>> {
    /// The response of a handler that returns a `Result`.
    pub fn respond(self) -> HandlerResponse
    where
        Result<T, E>: IntoResponse,
    {
        let is_err = self.0.is_err();
        let response = self.0.into_response();
        HandlerResponse { response, is_err }
    }
}

/// The output of a handler that does not return a `Result`.
pub trait AnyHandlerOutput<T> {
    /// The response, which is no `Err`.
    fn respond(self) -> HandlerResponse
    where
        T: IntoResponse;
}

impl<T> AnyHandlerOutput<T> for HandlerOutput<T> {
    fn respond(self) -> HandlerResponse
    where
        T: IntoResponse,
    {
        let (response, is_err) = (self.0.into_response(), false);
        HandlerResponse { response, is_err }
    }
}
