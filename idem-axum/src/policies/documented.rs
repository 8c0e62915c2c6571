//! What `#[utoipa::path]` says about a handler, if it says anything.

use std::any::type_name;
use std::fmt;
use std::marker::PhantomData;

use utoipa::openapi::path::{HttpMethod, Operation};

/// An operation as `#[utoipa::path]` documents it, before a document nests or changes it.
pub struct Documented {
    pub(crate) methods: Vec<&'static str>,
    pub(crate) path: String,
    pub(crate) operation: Operation,
}

/// Asks whether `T` is what `#[utoipa::path]` leaves beside a handler.
///
/// The inherent function is found first, and exists for such types alone; for any other type that of
/// [`AnyPath`] is found.
pub struct PathOf<T>(PhantomData<fn() -> T>);

impl<T: utoipa::Path> PathOf<T> {
    /// The operation.
    pub fn documented() -> Option<Documented> {
        Some(Documented {
            methods: T::methods().iter().map(method_name).collect(),
            path: T::path(),
            operation: T::operation(),
        })
    }
}

/// Any other type documents nothing.
pub trait AnyPath {
    /// Nothing.
    fn documented() -> Option<Documented> {
        None
    }
}

impl<T> AnyPath for PathOf<T> {}

/// Whether the type is defined in the module, and not imported into it.
pub fn is_of_module<T>(module: &str) -> bool {
    let path = type_name::<T>().rsplit_once("::").map(|(path, _)| path);
    // One of the two may write a module `r#type` without its mark.
    path.is_some_and(|path| path.replace("r#", "") == module.replace("r#", ""))
}

fn method_name(method: &HttpMethod) -> &'static str {
    match method {
        HttpMethod::Get => "GET",
        HttpMethod::Post => "POST",
        HttpMethod::Put => "PUT",
        HttpMethod::Delete => "DELETE",
        HttpMethod::Options => "OPTIONS",
        HttpMethod::Head => "HEAD",
        HttpMethod::Patch => "PATCH",
        HttpMethod::Trace => "TRACE",
    }
}

impl<T> fmt::Debug for PathOf<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PathOf")
    }
}

impl fmt::Debug for Documented {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Documented")
            .field("methods", &self.methods)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}
