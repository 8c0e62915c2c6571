//! The headers of a response as they are stored, and those that never are.
//!
//! ```text
//! response                        stored
//! content-type: application/json  content-type: application/json\r\n
//! location: /payments/1           location: /payments/1\r\n
//! set-cookie: session=…
//! link: </a>                      link: </a>\r\n
//! link: </b>                      link: </b>\r\n
//! ```
//!
//! One line for each line, never joined: `set-cookie` is not the only field whose values contain
//! commas. Values are bytes and are stored as bytes. The order within a name is kept; `HeaderMap`
//! keeps none between names.
//!
//! A list of what is not stored, and not of what is: a header of the application's own, which Idem
//! cannot know, belongs to its response. [`unstored_header`](crate::HttpOptions::unstored_header)
//! adds to the list.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

/// The header that marks a replay, `idempotent-replayed: true`.
///
/// Idem puts it on replays alone, and ignores it in a request.
///
/// # Examples
///
/// A test of the application tells a replay from a first response:
///
/// ```
/// use axum::body::Body;
/// use axum::http::Response;
/// use idem_axum::REPLAYED;
///
/// fn is_replay(response: &Response<Body>) -> bool {
///     response.headers().contains_key(REPLAYED)
/// }
/// assert!(!is_replay(&Response::new(Body::empty())));
/// ```
pub const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// Never stored: they belong to the connection, to the moment, or to the first caller alone.
const UNSTORED: &[&str] = &[
    // Hop by hop, RFC 9110 section 7.6.1.
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    // The moment: `age` belongs to a `date`, which is not stored.
    "age",
    "date",
    // Credentials and challenges: RFC 9110 section 11, RFC 2965, RFC 8053.
    "authentication-info",
    "authorization",
    "optional-www-authenticate",
    "set-cookie",
    "set-cookie2",
    "www-authenticate",
    // Nonces for the caller's next request: RFC 9449, RFC 8555.
    "dpop-nonce",
    "replay-nonce",
    // Tracing and request ids.
    "b3",
    "baggage",
    "correlation-id",
    "request-id",
    "server-timing",
    "traceparent",
    "traceresponse",
    "tracestate",
    "x-amz-request-id",
    "x-amzn-requestid",
    "x-amzn-trace-id",
    "x-cloud-trace-context",
    "x-correlation-id",
    "x-ms-request-id",
    "x-request-id",
    "x-trace-id",
    // Rate limits.
    "ratelimit",
    "ratelimit-limit",
    "ratelimit-policy",
    "ratelimit-remaining",
    "ratelimit-reset",
    // Ours.
    "idempotent-replayed",
];

const UNSTORED_PREFIXES: &[&str] = &["x-b3-", "x-rate-limit-", "x-ratelimit-"];

/// The headers to store, as lines of HTTP/1.1: a value holds no CR, LF or NUL.
///
/// A field that `connection` names belongs to the connection as well (RFC 9110, section 7.6.1).
pub(crate) fn encode(headers: &HeaderMap, unstored: &[Box<str>]) -> Vec<u8> {
    let named_by_connection = headers
        .get_all(header::CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(|name| name.trim_ascii().to_ascii_lowercase())
        .collect::<Vec<_>>();
    let mut lines = Vec::new();
    for (name, value) in headers {
        let name = name.as_str();
        let is_unstored = UNSTORED.contains(&name)
            || UNSTORED_PREFIXES
                .iter()
                .any(|prefix| name.starts_with(prefix))
            || unstored.iter().any(|extra| **extra == *name)
            || named_by_connection.iter().any(|hop| hop == name.as_bytes());
        if !is_unstored {
            lines.extend_from_slice(name.as_bytes());
            lines.extend_from_slice(b": ");
            lines.extend_from_slice(value.as_bytes());
            lines.extend_from_slice(b"\r\n");
        }
    }
    lines
}

/// The stored headers. `None` if a line is no header: the record is then refused as unreadable, for
/// a response without one of its headers would be another response.
pub(crate) fn decode(mut lines: &[u8]) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    while !lines.is_empty() {
        let end = lines.windows(2).position(|pair| pair == b"\r\n")?;
        let (line, rest) = lines.split_at_checked(end)?;
        let colon = line.windows(2).position(|pair| pair == b": ")?;
        let (name, value) = line.split_at_checked(colon)?;
        let name = HeaderName::from_bytes(name).ok()?;
        headers.append(name, HeaderValue::from_bytes(value.get(2..)?).ok()?);
        lines = rest.get(2..)?;
    }
    Some(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(lines: &[(&'static str, &[u8])]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name = HeaderName::from_static(name);
            headers.append(name, HeaderValue::from_bytes(value).unwrap());
        }
        headers
    }

    #[test]
    fn stored_headers_decode_to_what_was_encoded() {
        let headers = map(&[
            ("location", b"/payments/1"),
            ("link", b"<a>; rel=\"x\""),
            ("link", b"<b>, <c>"),
            ("x-binary", b"\xff: \x80"),
            ("x-empty", b""),
        ]);
        let lines = encode(&headers, &[]);
        assert_eq!(decode(&lines), Some(headers));
    }

    #[test]
    fn headers_of_one_caller_or_connection_are_not_stored() {
        let headers = map(&[
            ("set-cookie", b"session=1"),
            ("set-cookie2", b"session=1; Version=1"),
            ("authentication-info", b"nextnonce=\"n\""),
            ("optional-www-authenticate", b"Basic realm=\"a\""),
            ("dpop-nonce", b"n"),
            ("replay-nonce", b"n"),
            ("age", b"1"),
            ("date", b"now"),
            ("connection", b"close, X-Hop"),
            ("x-hop", b"1"),
            ("x-ratelimit-remaining", b"3"),
            ("x-secret", b"s"),
            ("etag", b"\"1\""),
        ]);
        assert_eq!(encode(&headers, &["x-secret".into()]), b"etag: \"1\"\r\n");
    }

    #[test]
    fn malformed_header_lines_are_not_decoded() {
        assert_eq!(decode(b"no colon\r\n"), None);
        assert_eq!(decode(b"etag: 1"), None);
        assert_eq!(decode(b"bad name: 1\r\n"), None);
    }
}
