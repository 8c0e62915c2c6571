//! The head of a request: its key, its operation, its fingerprint.
//!
//! For `POST /v1/orders/7/pay?notify=yes`, routed as `/orders/{id}/pay` and nested under `/v1`:
//!
//! ```text
//! operation    POST /v1/orders/{}/pay          MatchedPath, without the names of parameters
//! fingerprint  POST, /v1/orders/7/pay, notify=yes, content type, body
//!
//! with #[idempotent(operation = "orders.pay")]
//! operation    orders.pay
//! fingerprint  POST, /1:7, notify=yes, content type, body
//! ```
//!
//! The operation is a part of the record's name and a label of metrics. So it must be bounded,
//! whatever clients send: it is made of the route, never of the path. The path is in the
//! fingerprint, where the same key for another order is a mismatch, 422.
//!
//! A route that is renamed makes a new operation, and its old keys are forgotten. A handler that
//! moves to another module does not: the module is not a part of the name.

use std::fmt;

use axum::RequestPartsExt;
use axum::body::Bytes;
use axum::extract::{MatchedPath, OriginalUri, RawPathParams};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Method, Uri, header};
use idem_core::{Fingerprint, FingerprintInput, IdempotencyKey, InvalidOperation, Operation};

use crate::spec::Spec;
use crate::{HttpSettings, Rejection};

/// Whether a method only reads (RFC 9110, section 9.2.1), so that clients repeat it at will.
pub(crate) fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// What the operation and the fingerprint need of a request's head.
///
/// It is a copy, made before the handler's extractors run: they may change the headers or the
/// extensions, and a retry is compared by what the client has sent.
pub(crate) struct Head {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    route: Option<MatchedPath>,
    /// `None` if the route has none, or the router cannot read them.
    params: Option<String>,
}

impl Head {
    /// Copies method, headers and path; [`read_path`](Self::read_path) adds what the router knows.
    pub(crate) fn read(parts: &Parts) -> Self {
        Self {
            method: parts.method.clone(),
            uri: parts.uri.clone(),
            headers: parts.headers.clone(),
            route: None,
            params: None,
        }
    }

    /// Refuses methods that only read: they need no key.
    ///
    /// RFC 9110, section 9.2.1, calls them safe, and clients repeat them at will. The attribute
    /// cannot see the route's method, so this is found at the first request, and the log names the
    /// cure.
    pub(crate) fn check_method(&self) -> Result<(), Rejection> {
        let method = &self.method;
        if is_safe(method) {
            tracing::error!(%method, "#[idempotent] is for writes: remove it from this handler");
            return Err(Rejection::Misconfigured);
        }
        Ok(())
    }

    /// The key, if there is one. Without one an operation whose keys are optional runs unprotected.
    ///
    /// A malformed key is refused there, too: its client believes that it is protected.
    pub(crate) fn key(
        &self,
        spec: &Spec,
        http: &HttpSettings,
    ) -> Result<Option<IdempotencyKey>, Rejection> {
        match read_key(&self.headers, http)? {
            None if spec.key_required => Err(Rejection::KeyMissing),
            key => Ok(key),
        }
    }

    /// Reads the path and what the router knows of it. Nesting strips a prefix, hence
    /// `OriginalUri`.
    pub(crate) async fn read_path(&mut self, parts: &mut Parts) {
        let Ok(OriginalUri(uri)) = parts.extract::<OriginalUri>().await;
        self.uri = uri;
        self.route = parts.extract::<MatchedPath>().await.ok();
        // A value that is not UTF-8 cannot be read. Then the path itself counts.
        let params = parts.extract::<RawPathParams>().await.ok();
        self.params = params.map(|params| {
            let values = params.iter().map(|(_, value)| value);
            values
                .map(|value| format!("/{}:{value}", value.len()))
                .collect()
        });
    }

    /// The operation that the attribute names, or else the method and the route without parameter
    /// names.
    ///
    /// # Errors
    ///
    /// [`Rejection::Misconfigured`] in a fallback, which has no route, and for a route of more than
    /// 255 bytes. The log names the handler.
    pub(crate) fn operation(&self, spec: &Spec) -> Result<Operation, Rejection> {
        let named = match (spec.operation, &self.route) {
            (Some(name), _) => Operation::new(name),
            (None, Some(route)) => {
                let (method, route) = (self.known_method(), erased(route.as_str()));
                Operation::new(&format!("{method} {route}"))
            }
            (None, None) => Err(InvalidOperation),
        };
        named.map_err(|_| {
            let handler = spec.item;
            tracing::error!(
                handler,
                "the operation has no name: the request matched no route, or the route is longer \
                 than 255 bytes. Give it one with #[idempotent(operation = \"…\")]; a layer that is \
                 meant for some routes alone is added to their methods with `route_layer`"
            );
            Rejection::Misconfigured
        })
    }

    /// Clients can make up methods, and an operation is a label of metrics. The fingerprint has the
    /// real method, so two methods called `OTHER` with one key are a mismatch.
    fn known_method(&self) -> &str {
        match self.method {
            Method::POST | Method::PUT | Method::PATCH | Method::DELETE => self.method.as_str(),
            _ => "OTHER",
        }
    }

    /// The fingerprint.
    ///
    /// If the attribute names the operation, the captured path parameters stand for the path, so
    /// that a handler at two routes shares its keys. A fallback captures none, and its path counts.
    ///
    /// Both forms are handed over, with a mark for the one in use. A record stored before a deploy
    /// that gave the operation its name is compared in the form in which it was stored.
    ///
    /// All lines of a listed header count, in their order.
    pub(crate) fn fingerprint(&self, spec: &Spec, body: &Bytes) -> Fingerprint {
        let mut headers: Vec<(&str, &[u8])> = Vec::new();
        for name in spec.fingerprint_headers {
            for value in self.headers.get_all(*name) {
                headers.push((*name, value.as_bytes()));
            }
        }
        let path = self.uri.path();
        let params = match &self.route {
            Some(_) => self.params.as_deref(),
            None => None,
        };
        // A record of before a deploy may have been stored with the other one.
        let (path, other_path) = match (spec.operation, params) {
            (Some(_), Some(params)) => (params, Some(path)),
            _ => (path, params),
        };
        let method = self.method.as_str();
        let mut input = FingerprintInput::with_shared_body(method, path, body);
        input.is_by_parameters = spec.operation.is_some() && params.is_some();
        input.other_path = other_path;
        input.header_names = spec.fingerprint_headers;
        input.query = self.uri.query().unwrap_or_default();
        input.headers = &headers;
        if let Some(content_type) = self.headers.get(header::CONTENT_TYPE) {
            input.content_type = content_type.as_bytes();
        }
        Fingerprint::of(&input, spec.fingerprint)
    }
}

/// The headers hold the key, and may hold other secrets.
impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Head")
            .field("method", &self.method)
            .field("route", &self.route)
            .finish_non_exhaustive()
    }
}

/// The key in its field, or `None` if there is no such field.
///
/// Two lines are refused rather than one of them chosen: a proxy and a service could choose
/// differently. Section 2 of draft-ietf-httpapi-idempotency-key-header defines a single item.
fn read_key(headers: &HeaderMap, http: &HttpSettings) -> Result<Option<IdempotencyKey>, Rejection> {
    let Ok(field) = HeaderName::try_from(&*http.key_header) else {
        let name = &http.key_header;
        tracing::error!(
            name,
            "no header field can have this name: change `key_header`"
        );
        return Err(Rejection::Misconfigured);
    };
    let mut lines = headers.get_all(field).iter();
    let Some(line) = lines.next() else {
        return Ok(None);
    };
    if lines.next().is_some() {
        return Err(Rejection::KeyRepeated);
    }
    let key = match http.strict_keys {
        true => IdempotencyKey::from_strict_field(line.as_bytes()),
        false => IdempotencyKey::from_field(line.as_bytes()),
    };
    key.map(Some).map_err(Rejection::KeyInvalid)
}

/// The route without its parameter names: renaming one makes no new operation.
///
/// A wildcard keeps its star, since `/files/{*}` and `/files/{}` are two routes.
pub(crate) fn erased(route: &str) -> String {
    let segments = route.split('/').map(|segment| {
        let Some((before, rest)) = segment.split_once('{') else {
            return segment.to_owned();
        };
        let Some((name, after)) = rest.split_once('}') else {
            return segment.to_owned();
        };
        let star = if name.starts_with('*') { "*" } else { "" };
        format!("{before}{{{star}}}{after}")
    });
    segments.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use axum::extract::Request;

    use super::*;

    #[test]
    fn debug_hides_the_key_and_the_headers() {
        let request = Request::post("/").header("idempotency-key", "secret");
        let request = request.header("authorization", "secret");
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let head = Head::read(&parts);
        assert!(
            head.key(&Spec::new("f"), &HttpSettings::default())
                .unwrap()
                .is_some()
        );
        assert!(!format!("{head:?}").contains("secret"), "{head:?}");
    }

    #[test]
    fn an_operation_omits_the_names_of_route_parameters() {
        assert_eq!(erased("/orders/{id}/pay"), "/orders/{}/pay");
        assert_eq!(erased("/files/{*path}"), "/files/{*}");
        assert_eq!(erased("/v/{a}.json/x"), "/v/{}.json/x");
        assert_eq!(erased("/plain"), "/plain");
    }
}
