//! Errors gathered so that one build shows all of them.
//!
//! `?` on a [`syn::Result`] ends at the first mistake, and its user would build once for each. So a
//! step that can go on takes `&mut Errors` and returns what it could read; a step that cannot go on
//! returns a `Result`, and its caller passes it to [`Errors::check`]. Who reads options gets a
//! default for a wrong one; who checks parameters learns by [`Errors::is_empty`] whether to expand.

use proc_macro2::TokenStream;
use syn::{Error, Result};

/// Zero or more errors; none of them ends the parse.
///
/// [`syn::Error`] is itself a list: [`Error::combine`] keeps each message with its own span.
#[derive(Default)]
pub(crate) struct Errors(Option<Error>);

impl Errors {
    pub(crate) fn push(&mut self, error: Error) {
        match &mut self.0 {
            Some(first) => first.combine(error),
            None => self.0 = Some(error),
        }
    }

    pub(crate) fn append(&mut self, other: Self) {
        if let Some(error) = other.0 {
            self.push(error);
        }
    }

    /// The value, or the error noted.
    pub(crate) fn check<T>(&mut self, result: Result<T>) -> Option<T> {
        result.map_err(|error| self.push(error)).ok()
    }

    /// The value, unless an error was noted.
    pub(crate) fn into_result<T>(self, value: T) -> Result<T> {
        self.0.map_or(Ok(value), Err)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// One `compile_error!` per error; nothing when there is none.
    ///
    /// They are items, so they stand beside the function and not in its place.
    pub(crate) fn to_compile_errors(&self) -> TokenStream {
        self.0
            .as_ref()
            .map(Error::to_compile_error)
            .unwrap_or_default()
    }

    #[cfg(test)]
    pub(crate) fn texts(&self) -> Vec<String> {
        self.0
            .iter()
            .flatten()
            .map(|error| error.to_string())
            .collect()
    }
}
