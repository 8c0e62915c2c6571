//! The operations of a document that are a handler's.
//!
//! `#[utoipa::path]` knows the path as it is written there; a document may have nested it under
//! others, more than once. So the method must be the same and the path must end with it. Of those
//! operations the handler's are:
//!
//! 1. all that are the same once both are completed: texts, parameters, body, responses. Tags,
//!    security and servers do not count, since nesting changes them;
//! 2. or the one with the same `operationId`, for a document whose operations were changed since.
//!
//! The path `/` says nothing once it is nested. There the first sign needs the same `operationId`
//! too, and the second one is none.
//!
//! To call an operation safe to retry that is not would be worse than to leave one out.

use utoipa::openapi::OpenApi;
use utoipa::openapi::path::{Operation, PathItem};

use crate::policies::documented::Documented;
use crate::policies::operation::Route;

/// Where the operations stand.
pub(super) struct Found {
    pub(super) places: Vec<Route>,
    /// Whether several fit and could not be told apart.
    pub(super) is_ambiguous: bool,
}

/// Finds them; `complete` does to a copy what is done to those that are found.
pub(super) fn find(
    api: &mut OpenApi,
    documented: &Documented,
    complete: impl Fn(&mut Operation),
) -> Found {
    let own = &documented.operation;
    let (expected, is_root) = (comparable(own, &complete), is_root(&documented.path));
    let (mut same, mut alike) = (Vec::new(), Vec::new());
    for place in candidates(api, documented) {
        let Some(operation) = at(api, &place) else {
            continue;
        };
        let has_id = operation.operation_id == own.operation_id;
        if (has_id || !is_root) && comparable(operation, &complete) == expected {
            same.push(place);
        } else if has_id {
            alike.push(place);
        }
    }
    // Without any text, two handlers may well look the same.
    let has_text = own.summary.is_some() || own.description.is_some();
    if !same.is_empty() && (has_text || is_one_path(&same)) {
        return Found {
            places: same,
            is_ambiguous: false,
        };
    }
    let is_exact = |place: &Route| place.path == documented.path;
    if alike.iter().any(is_exact) {
        alike.retain(is_exact);
    }
    if same.is_empty() && is_one_path(&alike) && !is_root {
        return Found {
            places: alike,
            is_ambiguous: false,
        };
    }
    Found {
        places: Vec::new(),
        is_ambiguous: !(same.is_empty() && alike.is_empty()),
    }
}

/// The operation at a place.
pub(super) fn at<'a>(api: &'a mut OpenApi, place: &Route) -> Option<&'a mut Operation> {
    let item = api.paths.paths.get_mut(&place.path)?;
    slot(item, place.method).as_mut()
}

fn candidates(api: &mut OpenApi, documented: &Documented) -> Vec<Route> {
    let mut places = Vec::new();
    for (path, item) in &mut api.paths.paths {
        for method in &documented.methods {
            if ends_with(path, &documented.path) && slot(item, method).is_some() {
                places.push(Route {
                    method,
                    path: path.clone(),
                });
            }
        }
    }
    places
}

/// Whether nesting can have made this path of that one. A `/` may be left out where a nested path
/// begins or ends.
fn ends_with(path: &str, nested: &str) -> bool {
    let nested = nested.trim_start_matches('/');
    let before = |nested: &str| path.strip_suffix(nested);
    let Some(before) = before(nested).or_else(|| before(nested.trim_end_matches('/'))) else {
        return false;
    };
    nested.is_empty() || before.is_empty() || before.ends_with('/')
}

pub(super) fn is_root(path: &str) -> bool {
    path.trim_matches('/').is_empty()
}

fn is_one_path(places: &[Route]) -> bool {
    places
        .windows(2)
        .all(|pair| matches!(pair, [a, b] if a.path == b.path))
}

/// What of an operation a document does not change when it nests it.
fn comparable(operation: &Operation, complete: &impl Fn(&mut Operation)) -> Operation {
    let mut copy = operation.clone();
    complete(&mut copy);
    copy.tags = None;
    copy.security = None;
    copy.servers = None;
    copy.operation_id = None;
    copy
}

fn slot<'a>(item: &'a mut PathItem, method: &str) -> &'a mut Option<Operation> {
    match method {
        "GET" => &mut item.get,
        "PUT" => &mut item.put,
        "POST" => &mut item.post,
        "DELETE" => &mut item.delete,
        "OPTIONS" => &mut item.options,
        "HEAD" => &mut item.head,
        "PATCH" => &mut item.patch,
        _ => &mut item.trace,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nested_path_ends_with_the_handlers_own() {
        for (path, nested) in [
            ("/payments", "/payments"),
            ("/v1/payments", "/payments"),
            ("/v1/payments/{id}", "/payments/{id}"),
            ("/payments", "/"),
            ("/payments/", "/"),
            ("/v1/payments", "payments/"),
            ("/payments", ""),
        ] {
            assert!(ends_with(path, nested), "{path} {nested}");
        }
        for (path, nested) in [
            ("/payments", "/v1/payments"),
            ("/v1/repayments", "/payments"),
            ("/payments/{id}", "/payments"),
        ] {
            assert!(!ends_with(path, nested), "{path} {nested}");
        }
    }
}
