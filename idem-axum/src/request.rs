//! What of a request is kept for the attempt: its key, its head, its body.

use axum::RequestPartsExt;
use axum::body::{Body, Bytes};
use axum::extract::{
    DefaultBodyLimit, FromRequest, MatchedPath, OriginalUri, RawPathParams, Request,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use idem_core::{
    Fingerprint, FingerprintInput, IdempotencyKey, InvalidOperation, Operation, Settings,
};
use tokio::time::Instant;

use crate::Rejection;
use crate::spec::Spec;

/// The head of a request, as the fingerprint and the operation need it.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) key: Option<IdempotencyKey>,
    pub(crate) arrived: Instant,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    route: Option<MatchedPath>,
    params: String,
}

impl Head {
    /// Reads the key and refuses what no attempt can be made of.
    pub(crate) fn read(
        parts: &Parts,
        settings: &Settings,
        key_required: bool,
    ) -> Result<Self, Rejection> {
        if matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS) {
            let method = &parts.method;
            tracing::error!(%method, "#[idempotent] is for writes: take it off this handler");
            return Err(Rejection::Misconfigured);
        }
        let key = read_key(&parts.headers, settings)?;
        if key.is_none() && key_required {
            return Err(Rejection::KeyMissing);
        }
        Ok(Self {
            key,
            arrived: Instant::now(),
            method: parts.method.clone(),
            uri: parts.uri.clone(),
            headers: parts.headers.clone(),
            route: None,
            params: String::new(),
        })
    }

    /// Reads what the router knows of the path. `OriginalUri`, since nesting strips the prefix.
    pub(crate) async fn read_path(&mut self, parts: &mut Parts) {
        let Ok(OriginalUri(uri)) = parts.extract::<OriginalUri>().await;
        self.uri = uri;
        self.route = parts.extract::<MatchedPath>().await.ok();
        if let Ok(params) = parts.extract::<RawPathParams>().await {
            for (_, value) in &params {
                self.params.push_str(&format!("/{}:{value}", value.len()));
            }
        }
    }

    /// The operation: the one given, or the method and the route without parameter names.
    pub(crate) fn operation(&self, spec: &Spec) -> Result<Operation, Rejection> {
        let named = match (spec.operation, &self.route) {
            (Some(name), _) => Operation::new(name),
            (None, Some(route)) => {
                Operation::new(&format!("{} {}", self.method, erased(route.as_str())))
            }
            (None, None) => Err(InvalidOperation),
        };
        named.map_err(|_| {
            let handler = spec.item;
            tracing::error!(
                handler,
                "the request matched no route to name the operation after, or its name is longer \
                 than 255 bytes: give it one with #[idempotent(operation = \"…\")]"
            );
            Rejection::Misconfigured
        })
    }

    /// The fingerprint. Where the operation is named by hand the captured path parameters stand
    /// in for the path, so that a handler mounted at two paths shares its keys. A fallback
    /// captures none, and is told from itself by the path alone.
    pub(crate) fn fingerprint(&self, spec: &Spec, body: &[u8]) -> Fingerprint {
        let mut headers: Vec<(&str, &[u8])> = Vec::new();
        for name in spec.fingerprint_headers {
            for value in self.headers.get_all(*name) {
                headers.push((*name, value.as_bytes()));
            }
        }
        let path = match (spec.operation, &self.route) {
            (Some(_), Some(_)) => self.params.as_str(),
            _ => self.uri.path(),
        };
        let mut input = FingerprintInput::new(self.method.as_str(), path, body);
        input.query = self.uri.query().unwrap_or_default();
        input.headers = &headers;
        if let Some(content_type) = self.headers.get(header::CONTENT_TYPE) {
            input.content_type = content_type.as_bytes();
        }
        Fingerprint::of(&input, spec.fingerprint)
    }
}

fn read_key(headers: &HeaderMap, settings: &Settings) -> Result<Option<IdempotencyKey>, Rejection> {
    let mut lines = headers.get_all(&*settings.key_header).iter();
    let Some(line) = lines.next() else {
        return Ok(None);
    };
    if lines.next().is_some() {
        return Err(Rejection::KeyRepeated);
    }
    let key = match settings.strict_keys {
        true => IdempotencyKey::from_strict_field(line.as_bytes()),
        false => IdempotencyKey::from_field(line.as_bytes()),
    };
    key.map(Some).map_err(Rejection::KeyInvalid)
}

/// A route with its parameter names erased, so that renaming one is no new operation.
fn erased(route: &str) -> String {
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

/// Reads the body and puts the request together again for the last extractor.
pub(crate) async fn buffer(
    parts: Parts,
    body: Body,
    max_body: usize,
    settings: &Settings,
) -> Result<(Request, Bytes), Response> {
    let refuse = |rejection: Rejection| rejection.into_response(settings);
    let bytes = match max_body {
        0 => {
            let request = Request::from_parts(parts.clone(), body);
            Bytes::from_request(request, &())
                .await
                .map_err(|rejection| match rejection.into_response() {
                    response if response.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                        refuse(Rejection::BodyTooLarge)
                    }
                    response => response,
                })?
        }
        limit => match Limited::new(body, limit).collect().await {
            Ok(collected) => collected.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => {
                return Err(refuse(Rejection::BodyTooLarge));
            }
            Err(_) => {
                return Err((StatusCode::BAD_REQUEST, "the request body broke off").into_response());
            }
        },
    };
    let mut request = Request::from_parts(parts, Body::from(bytes.clone()));
    // The body is bounded already; the last extractor must not refuse what `max_body` allows.
    DefaultBodyLimit::disable().apply(&mut request);
    Ok((request, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameter_names_are_no_part_of_an_operation() {
        assert_eq!(erased("/orders/{id}/pay"), "/orders/{}/pay");
        assert_eq!(erased("/files/{*path}"), "/files/{*}");
        assert_eq!(erased("/v/{a}.json/x"), "/v/{}.json/x");
        assert_eq!(erased("/plain"), "/plain");
    }
}
