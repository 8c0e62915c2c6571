//! The body of a request, read within its limits.
//!
//! The fingerprint needs the whole body: a digest of its first megabyte would call two uploads the
//! same that differ behind it. So a body that cannot be held whole is refused (`enforce`) or makes
//! no record (the other modes), and is never cut.
//!
//! Three bounds hold at once, and the smallest counts:
//!
//! | bound | of | what happens beyond it |
//! | --- | --- | --- |
//! | `max_body`, or else the route's `DefaultBodyLimit` | one body | 413 `body-too-large` |
//! | `max_buffered_bytes` | all bodies on this node | 503 `overloaded`; 413 if one body alone exceeds it |
//! | `body_timeout` | the time of one body | 408 `body-timeout` |
//!
//! They end before the attempt's `timeout` begins: neither a slow client nor a long queue uses up
//! the handler's time, and no database connection is held meanwhile.

use std::convert::Infallible;
use std::time::Duration;

use axum::RequestExt;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Version, header};
use axum::response::Response;
use futures_util::stream;
use http_body_util::StreamBody;
use tokio::time::timeout;

use crate::body::budget::BodyReservation;
use crate::body::peek::peek;
use crate::body::reader::{BodyReader, ReadError};
use crate::{HttpSettings, Rejection};

/// Reads the body and puts the request together again for the last extractor.
///
/// Body and fingerprint share the bytes: `Bytes` is cloned by reference. A length that is announced
/// and too large is refused at once, before the client has sent it. An empty body reserves no room,
/// so that requests without one pass while uploads fill the node.
///
/// # Errors
///
/// [`Rejection::BodyTooLarge`], [`Rejection::Overloaded`], [`Rejection::BodyBrokeOff`] and
/// [`Rejection::BodyTimeout`]; the key stays free.
///
/// # Cancellation
///
/// Safe to drop: `room` belongs to the caller, and gives its bytes back when it is dropped.
pub(crate) async fn buffer(
    parts: Parts,
    mut body: Body,
    max_body: Option<u64>,
    http: &HttpSettings,
    room: &mut BodyReservation,
) -> Result<(Request, Bytes), Rejection> {
    let (parts, limit) = limit(parts, max_body);
    let limit = limit.min(u64::try_from(http.max_buffered_bytes()).unwrap_or(u64::MAX));
    if announced(&parts.headers, &body) > limit {
        return Err(Rejection::BodyTooLarge);
    }
    if !body.is_end_stream() && !room.grow_to(BodyReservation::LEAST) {
        return Err(Rejection::Overloaded);
    }
    let mut reader = BodyReader::default();
    let read = reader.read(&mut body, limit, |bytes| room.grow_to(bytes));
    match timeout(http.body_timeout, read).await {
        Ok(Ok(())) => {}
        Ok(Err(ReadError::TooLong)) => return Err(Rejection::BodyTooLarge),
        Ok(Err(ReadError::NoRoom)) => return Err(Rejection::Overloaded),
        Ok(Err(ReadError::Broken)) => return Err(Rejection::BodyBrokeOff),
        Err(_) => return Err(Rejection::BodyTimeout),
    }
    let bytes = reader.into_bytes();
    let mut request = Request::from_parts(parts, Body::from(bytes.clone()));
    // The body is within its limit already. The last extractor must not refuse what `max_body`
    // allows.
    DefaultBodyLimit::disable().apply(&mut request);
    Ok((request, bytes))
}

/// Reads the body as [`buffer`] does and refuses nothing.
///
/// The body is `None` if it is too long, too slow or broken, or finds no room. The request has it
/// as it came: what was read stands before the rest, an error where it occurred. Then the handler's
/// own extractor refuses it, with the response that it would have given without the attribute.
pub(crate) async fn peek_at(
    parts: Parts,
    body: Body,
    max_body: Option<u64>,
    room: &mut BodyReservation,
) -> (Request, Option<Bytes>) {
    let (parts, limit) = limit(parts, max_body);
    let limit = limit.min(LONGEST_PEEK);
    if announced(&parts.headers, &body) > limit {
        return (Request::from_parts(parts, body), None);
    }
    let peeked = peek(body, limit, PATIENCE, |bytes| room.grow_to(bytes)).await;
    (Request::from_parts(parts, peeked.body), peeked.bytes)
}

/// The response to a request whose body was not read to its end.
///
/// Nobody reads the rest of a slow body, and in HTTP/1.1 it stands before the connection's next
/// request; so the connection is closed. HTTP/2 has no such field (RFC 9113, section 8.2.2), and
/// there the body has a stream of its own.
pub(crate) fn unread(why: Rejection, version: Version, http: &HttpSettings) -> Response {
    tracing::debug!(problem = why.name(), "the request body was not read");
    let mut answer = why.into_response(http);
    if why == Rejection::BodyTimeout && version < Version::HTTP_2 {
        // Nobody reads the rest of the body: RFC 9110, section 15.5.9.
        let close = HeaderValue::from_static("close");
        answer.headers_mut().insert(header::CONNECTION, close);
    }
    answer
}

/// How long a body may be: by its operation, or else by the layers of its route.
///
/// `DefaultBodyLimit` is a private extension of the request. axum applies it to a body, so a body
/// that never ends is wrapped and asked for its upper bound. Without a layer that is axum's 2 MiB;
/// with the limit disabled there is none.
fn limit(parts: Parts, max_body: Option<u64>) -> (Parts, u64) {
    if let Some(limit) = max_body {
        return (parts, limit);
    }
    // Only a body shows which limit the layers set.
    let measure = Body::new(StreamBody::new(stream::pending::<Result<_, Infallible>>()));
    let request = Request::from_parts(parts, measure).with_limited_body();
    let (parts, measure) = request.into_parts();
    (parts, measure.size_hint().upper().unwrap_or(u64::MAX))
}

/// The longest body that is peeked at if nothing else limits it, in bytes.
const LONGEST_PEEK: u64 = 16 << 20;

/// How long a peek waits for a body.
const PATIENCE: Duration = Duration::from_secs(5);

/// The least length of the body. The body's own hint counts before the header: a layer that changes
/// a body may have left the header as it was.
fn announced(headers: &HeaderMap, body: &Body) -> u64 {
    let said = || {
        let length = headers.get(header::CONTENT_LENGTH)?;
        length.to_str().ok()?.parse().ok()
    };
    body.size_hint().exact().or_else(said).unwrap_or(0)
}
