//! Telling a handler's `Err` from other answers, whatever its return type is called.

use axum::response::{IntoResponse, Response};

/// What a handler has returned.
///
/// `split` is inherent for a `Result` and comes from [`AnyOutcome`] for the rest; an inherent
/// method wins, so this works through aliases of `Result` and for opaque types.
#[derive(Debug)]
pub struct Outcome<T>(pub T);

impl<T, E> Outcome<Result<T, E>> {
    /// The response, and whether it was an `Err`.
    pub fn split(self) -> (Response, bool)
    where
        Result<T, E>: IntoResponse,
    {
        let is_err = self.0.is_err();
        (self.0.into_response(), is_err)
    }
}

/// The outcome of a handler that does not return a `Result`.
pub trait AnyOutcome<T> {
    /// The response, which is no `Err`.
    fn split(self) -> (Response, bool)
    where
        T: IntoResponse;
}

impl<T> AnyOutcome<T> for Outcome<T> {
    fn split(self) -> (Response, bool)
    where
        T: IntoResponse,
    {
        (self.0.into_response(), false)
    }
}
