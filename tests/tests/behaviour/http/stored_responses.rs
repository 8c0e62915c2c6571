//! Which responses are stored, and which of their parts: status, headers, body.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use futures_util::stream::pending;
use hyper::body::Frame;
use idem_axum::{HttpOptions, Tx, idempotent};
use idem_tests::http::Attempt;
use tokio::time::timeout;

use super::support::app::{AppState, FIVE, Tenant, engine, has_paid, pay, payment, problem, start};
use super::{Db, TestDb, idem_on};

/// Pays, then responds as `x-then` says.
#[idempotent(scope = "tenant")]
async fn answer(
    Tenant(tenant): Tenant,
    asked: HeaderMap,
    mut tx: Tx<Db>,
    _: Bytes,
) -> Result<Response, StatusCode> {
    let paid = pay(&mut tx, &tenant, FIVE).await?;
    let then = asked.get("x-then").map(|then| then.to_str().unwrap());
    let mut response = match then {
        None => paid.into_response(),
        Some("stream") => Body::new(Frames::of(["a", "b", "c"])).into_response(),
        Some("break-off") => Body::new(Frames::of(["a", "!"])).into_response(),
        Some("no-end") => Body::from_stream(pending::<io::Result<Bytes>>()).into_response(),
        Some("headers") => StatusCode::CREATED.into_response(),
        Some(status) => {
            let status = StatusCode::from_bytes(status.as_bytes()).unwrap();
            (status, [("content-length", "6")], "a body").into_response()
        }
    };
    if then == Some("headers") {
        for name in STORED.iter().chain(UNSTORED).chain(&["x-mine"]) {
            let name = HeaderName::from_static(name);
            response
                .headers_mut()
                .insert(name, HeaderValue::from_static("x-hop"));
        }
    }
    Ok(response)
}

const STORED: &[&str] = &[
    "cache-control",
    "clear-site-data",
    "content-encoding",
    "content-type",
    "etag",
    "last-modified",
    "location",
    "strict-transport-security",
    "vary",
];

const UNSTORED: &[&str] = &[
    "age",
    "authentication-info",
    "authorization",
    "b3",
    "connection",
    "correlation-id",
    "date",
    "dpop-nonce",
    "keep-alive",
    "optional-www-authenticate",
    "proxy-authenticate",
    "proxy-connection",
    "ratelimit",
    "ratelimit-policy",
    "ratelimit-remaining",
    "replay-nonce",
    "request-id",
    "set-cookie",
    "set-cookie2",
    "te",
    "traceparent",
    "traceresponse",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "www-authenticate",
    "x-amzn-trace-id",
    "x-b3-traceid",
    "x-correlation-id",
    "x-hop",
    "x-ratelimit-limit",
    "x-rate-limit-reset",
    "x-request-id",
];

/// A body in pieces; it breaks off at `!`.
struct Frames(VecDeque<&'static str>);

impl Frames {
    fn of(pieces: impl Into<VecDeque<&'static str>>) -> Self {
        Self(pieces.into())
    }
}

impl HttpBody for Frames {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        Poll::Ready(self.0.pop_front().map(|piece| match piece {
            "!" => Err(io::ErrorKind::BrokenPipe.into()),
            piece => Ok(Frame::data(piece.into())),
        }))
    }
}

#[tokio::test]
async fn a_response_without_a_body_is_replayed_without_one() {
    let (db, app) = start(routes()).await;
    for status in ["204", "205", "304"] {
        let pay = then(status).key(status);
        let first = pay.send(&app).await;
        assert_eq!(first.status.as_str(), status);
        let retry = pay.send(&app).await;
        assert!(retry.is_replay(), "{retry:?}");
        assert_eq!((retry.status, retry.body.len()), (first.status, 0));
        for answer in [first, retry] {
            assert_ne!(answer.header("content-length"), Some("6"), "{answer:?}");
        }
    }
    assert_eq!(db.payments().await, 3);
}

#[tokio::test]
async fn a_redirect_is_stored() {
    let (db, app) = start(routes()).await;
    let first = then("303").key("k").send(&app).await;
    assert_eq!((first.status.as_u16(), first.is_replay()), (303, false));
    let retry = then("303").key("k").send(&app).await;
    assert!(retry.is_replay(), "{retry:?}");
    assert_eq!((retry.status, retry.body), (first.status, first.body));
    assert_eq!(db.payments().await, 1);
}

#[tokio::test]
async fn a_status_that_is_not_stored_undoes_the_writes_and_frees_the_key() {
    let (db, app) = start(routes()).await;
    for status in ["101", "400", "404", "409", "500"] {
        let first = then(status).key("k").send(&app).await;
        assert_eq!((first.status.as_str(), first.is_replay()), (status, false));
        assert_eq!(db.payments().await, 0);
    }
    assert!(has_paid(&payment("/answer").key("k").send(&app).await));
}

#[tokio::test]
async fn headers_that_are_never_stored_are_not_replayed() {
    let db = TestDb::new().await;
    engine(&db).await;
    let idem = idem_on(db.pool().await).unstored_header("X-Mine");
    let app = routes().with_state(AppState::new(idem.build()));
    let first = then("headers").key("k").send(&app).await;
    let retry = then("headers").key("k").send(&app).await;
    assert!(retry.is_replay() && !first.is_replay());
    for name in UNSTORED.iter().chain(&["x-mine"]) {
        assert!(first.headers.contains_key(*name), "{name}");
        assert!(!retry.headers.contains_key(*name), "{name}");
    }
    for name in STORED {
        assert_eq!(retry.header(name), Some("x-hop"), "{name}");
    }
}

#[tokio::test]
async fn a_streamed_response_is_stored_whole() {
    let (db, app) = start(routes()).await;
    let first = then("stream").key("k").send(&app).await;
    assert_eq!((&*first.body, first.is_replay()), (&b"abc"[..], false));
    let retry = then("stream").key("k").send(&app).await;
    assert_eq!((&*retry.body, retry.is_replay()), (&b"abc"[..], true));
    assert_eq!(db.payments().await, 1);
}

#[tokio::test]
async fn an_endless_streamed_response_ends_in_a_timeout() {
    let db = TestDb::new().await;
    engine(&db).await;
    let brief = idem_on(db.pool().await).timeout(Duration::from_millis(500));
    let app = routes().with_state(AppState::new(brief.build()));
    let sent = then("no-end").key("k");
    let answer = timeout(Duration::from_secs(30), sent.send(&app)).await;
    assert_eq!(problem(&answer.unwrap()), (503, "timeout".to_owned()));
    assert_eq!(db.payments().await, 0);
    assert!(has_paid(&payment("/answer").key("k").send(&app).await));
}

#[tokio::test]
async fn a_streamed_response_that_breaks_off_or_is_too_large_undoes_the_writes() {
    let db = TestDb::new().await;
    engine(&db).await;
    let app = async |max| {
        let idem = idem_on(db.pool().await).max_response(max);
        routes().with_state(AppState::new(idem.build()))
    };
    for streamed in ["break-off", "stream"] {
        let refused = then(streamed).key("k").send(&app(2).await).await;
        assert_eq!(problem(&refused), (500, "response-not-storable".to_owned()));
        assert_eq!(db.payments().await, 0);
    }
    // There is room for its headers, and the body is none of the answer.
    let headers = "content-type: text/plain; charset=utf-8\r\n".len();
    let answered = then("204").key("k").send(&app(headers).await).await;
    assert_eq!(answered.status, 204);
}

fn routes() -> Router<AppState> {
    Router::new().route("/answer", post(answer))
}

fn then(then: &str) -> Attempt {
    payment("/answer").header("x-then", then)
}
