//! Makes a completion of a response, and a response of a completion.
//!
//! The status, the header lines and the bytes of the body are stored as they are. Extensions of the
//! response are not stored, nor is what layers outside of the handler do to it: a compression layer
//! compresses the replay anew, for the client that asks.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use idem_core::Completion;

use crate::body::peek::peek;
use crate::body::reader::BodyReader;
use crate::response::headers::{REPLAYED, decode, encode};

/// Reads the whole response, to store it and to send it.
///
/// `None` if the stored headers, the body and the trailers together are longer than `max` bytes, or
/// if the body's stream failed. Trailers are sent and not stored.
///
/// The body that is sent is made of the same bytes, so first response and replay cannot differ. For
/// 204, 205 and 304 the body is dropped, and `content-length`, which would announce one, with it.
pub(crate) async fn capture(
    response: Response,
    max: usize,
    unstored: &[Box<str>],
) -> Option<(Completion, Response)> {
    let (mut parts, mut body) = response.into_parts();
    if has_no_body(parts.status) {
        body = Body::empty();
        parts.headers.remove(header::CONTENT_LENGTH);
    }
    let headers = encode(&parts.headers, unstored);
    let mut reader = BodyReader::default();
    let read = reader.read(&mut body, left(max, &headers)?, |_| true).await;
    read.ok()?;
    let (bytes, body) = reader.whole();
    let completion = Completion::new(parts.status.as_u16(), headers, bytes);
    Some((completion, Response::from_parts(parts, body)))
}

/// How many bytes these headers leave for the body.
fn left(max: usize, headers: &[u8]) -> Option<u64> {
    let left = max.checked_sub(headers.len())?;
    Some(u64::try_from(left).unwrap_or(u64::MAX))
}

/// As [`capture`], but a response that cannot be stored is sent as it came.
///
/// It waits one second for the body. A stream that goes on for longer is passed on, and not stored.
pub(crate) async fn peek_at(
    response: Response,
    max: usize,
    unstored: &[Box<str>],
) -> (Option<Completion>, Response) {
    const PATIENCE: Duration = Duration::from_secs(1);
    let (parts, body) = response.into_parts();
    let has_no_body = has_no_body(parts.status);
    let headers = match has_no_body {
        true => encode(&without_length(&parts.headers), unstored),
        false => encode(&parts.headers, unstored),
    };
    let Some(max) = left(max, &headers) else {
        return (None, Response::from_parts(parts, body));
    };
    let peeked = peek(body, max, PATIENCE, |_| true).await;
    let completion = peeked.bytes.map(|bytes| {
        let body = if has_no_body { Bytes::new() } else { bytes };
        Completion::new(parts.status.as_u16(), headers, body)
    });
    (completion, Response::from_parts(parts, peeked.body))
}

fn without_length(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    headers.remove(header::CONTENT_LENGTH);
    headers
}

/// Whether HTTP allows no body in a response of this status: RFC 9110, sections 15.3.5, 15.3.6 and
/// 15.4.5.
fn has_no_body(status: StatusCode) -> bool {
    matches!(status.as_u16(), 204 | 205 | 304)
}

/// The stored response, marked as a replay. `None` if it cannot be read, as one that was stored in
/// a form that this build does not know.
pub(crate) fn replay(completion: &Completion) -> Option<Response> {
    let mut response = Response::new(Body::from(completion.body.clone()));
    *response.status_mut() = StatusCode::from_u16(completion.status).ok()?;
    *response.headers_mut() = decode(&completion.headers)?;
    response
        .headers_mut()
        .insert(REPLAYED, HeaderValue::from_static("true"));
    Some(response)
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    async fn body_of(response: Response) -> Bytes {
        response.into_body().collect().await.unwrap().to_bytes()
    }

    #[tokio::test]
    async fn a_response_of_one_frame_is_stored_sent_and_replayed_without_a_copy() {
        let sent = Bytes::from(vec![b'x'; 5000]);
        let response = || Response::new(Body::from(sent.clone()));
        let (completion, first) = capture(response(), 1 << 20, &[]).await.unwrap();
        let (peeked, other) = peek_at(response(), 1 << 20, &[]).await;
        let replayed = replay(&completion).unwrap();
        for bytes in [
            completion.body,
            body_of(first).await,
            peeked.unwrap().body,
            body_of(other).await,
            body_of(replayed).await,
        ] {
            assert_eq!((bytes.as_ptr(), bytes.len()), (sent.as_ptr(), sent.len()));
        }
    }
}
