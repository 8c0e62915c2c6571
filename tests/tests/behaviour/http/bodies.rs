//! Body limits, and bodies that are too large or truncated.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::DefaultBodyLimit;
use axum::routing::post;
use hyper::body::Frame;
use idem_axum::{RolloutMode, Tx, idempotent};
use idem_tests::http::Attempt;

use super::support::app::{
    AppState, FIVE, Paid, Tenant, engine, has_paid, pay, payment, problem, start,
};
use super::{Db, TestDb};

#[idempotent(scope = "tenant")]
async fn of_default_size(Tenant(tenant): Tenant, mut tx: Tx<Db>, _: Bytes) -> Paid {
    pay(&mut tx, &tenant, FIVE).await
}

#[idempotent(scope = "tenant", max_body = "3MiB")]
async fn of_three_megabytes(Tenant(tenant): Tenant, mut tx: Tx<Db>, _: Bytes) -> Paid {
    pay(&mut tx, &tenant, FIVE).await
}

#[idempotent(scope = "tenant", max_body = "10B")]
async fn of_ten_bytes(Tenant(tenant): Tenant, mut tx: Tx<Db>, _: Bytes) -> Paid {
    pay(&mut tx, &tenant, FIVE).await
}

/// Responds with the address of its body.
#[idempotent(scope = "tenant", fingerprint = "json")]
async fn address(_: Tenant, _: Tx<'_, Db>, body: Bytes) -> String {
    address_of(&body)
}

fn address_of(bytes: &Bytes) -> String {
    format!("{:p} {}", bytes.as_ptr(), bytes.len())
}

/// A body without a `Content-Length`.
struct Unannounced(Body);

impl HttpBody for Unannounced {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.0).poll_frame(context)
    }
}

/// Breaks off at once, and knows whether it was read.
#[derive(Clone, Default)]
pub struct Broken(Arc<AtomicBool>);

impl Broken {
    pub fn was_read(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

impl HttpBody for Broken {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.0.store(true, Ordering::SeqCst);
        Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into())))
    }
}

#[tokio::test]
async fn an_operation_may_accept_larger_bodies_than_its_router() {
    for routes in [routes(), routes().layer(DefaultBodyLimit::max(10))] {
        let (db, app) = start(routes).await;
        fits(&app, "/three", 3 << 20).await;
        is_too_long(&app, "/three", (3 << 20) + 1).await;
        assert_eq!(db.payments().await, 1);
    }
}

#[tokio::test]
async fn an_operation_may_limit_bodies_below_its_router() {
    for routes in [routes(), routes().layer(DefaultBodyLimit::disable())] {
        let (db, app) = start(routes).await;
        fits(&app, "/ten", 10).await;
        is_too_long(&app, "/ten", 11).await;
        assert_eq!(db.payments().await, 1);
    }
}

#[tokio::test]
async fn an_operation_without_a_body_limit_uses_that_of_its_router() {
    let (_db, app) = start(routes()).await;
    fits(&app, "/default", 2 << 20).await;
    is_too_long(&app, "/default", (2 << 20) + 1).await;
    let (_db, app) = start(routes().layer(DefaultBodyLimit::max(20))).await;
    fits(&app, "/default", 20).await;
    is_too_long(&app, "/default", 21).await;
    let (_db, app) = start(routes().layer(DefaultBodyLimit::disable())).await;
    fits(&app, "/default", (2 << 20) + 1).await;
}

#[tokio::test]
async fn a_handler_gets_the_body_without_a_copy() {
    let db = TestDb::new().await;
    let idem = engine(&db).await;
    let app = Router::new().route("/address", post(address));
    let app = app.with_state(AppState::new(idem.clone()));
    for mode in [RolloutMode::Enforce, RolloutMode::Observe] {
        idem.rollout().set("*", mode);
        for length in [200, 1 << 20] {
            let body = Bytes::from(vec![b' '; length]);
            let sent = payment("/address").key(&format!("{mode}-{length}"));
            let answer = sent.body(body.clone()).send(&app).await;
            assert_eq!(answer.body, address_of(&body), "{mode}");
        }
    }
}

#[tokio::test]
async fn a_body_whose_content_length_is_too_large_is_not_read() {
    let (_db, app) = start(routes()).await;
    for (path, length) in [("/ten", "11"), ("/default", "2097153")] {
        let body = Broken::default();
        let pay = payment(path).key("k").header("content-length", length);
        let refused = pay.send_body(&app, Body::new(body.clone())).await;
        assert_eq!(problem(&refused), (413, "body-too-large".to_owned()));
        assert!(!body.was_read(), "{path}");
        fits(&app, path, 10).await;
    }
}

#[tokio::test]
async fn a_truncated_body_leaves_the_key_free() {
    let (db, app) = start(routes()).await;
    for path in ["/ten", "/default"] {
        let body = Broken::default();
        let pay = payment(path).key("k").header("content-length", "10");
        let refused = pay.send_body(&app, Body::new(body.clone())).await;
        assert_eq!(problem(&refused), (400, "body-broke-off".to_owned()));
        assert!(body.was_read());
        assert_eq!(db.payments().await, 0);
    }
    fits(&app, "/ten", 10).await;
}

#[tokio::test]
async fn a_body_limit_of_a_layer_applies_too() {
    let limited = |body: &'static str| Body::new(http_body_util::Limited::new(Body::from(body), 3));
    let (_db, app) = start(routes()).await;
    for path in ["/ten", "/default"] {
        let pay = payment(path).key("k");
        let refused = pay.send_body(&app, limited("four")).await;
        assert_eq!(problem(&refused), (413, "body-too-large".to_owned()));
        assert!(has_paid(&pay.send_body(&app, limited("two")).await));
    }
}

fn routes() -> Router<AppState> {
    Router::new()
        .route("/default", post(of_default_size))
        .route("/three", post(of_three_megabytes))
        .route("/ten", post(of_ten_bytes))
}

async fn fits(app: &Router, path: &'static str, bytes: usize) {
    let paid = of(path, bytes).send(app).await;
    assert!(has_paid(&paid), "{path} {bytes} {paid:?}");
}

async fn is_too_long(app: &Router, path: &'static str, bytes: usize) {
    let pay = of(path, bytes);
    let refused = pay.send(app).await;
    assert_eq!(problem(&refused), (413, "body-too-large".to_owned()));
    // Nor may it be too long where nobody said so beforehand.
    let body = Unannounced(Body::from(vec![b' '; bytes]));
    let unannounced = pay.send_body(app, Body::new(body)).await;
    assert_eq!(problem(&unannounced), (413, "body-too-large".to_owned()));
}

fn of(path: &str, bytes: usize) -> Attempt {
    payment(path)
        .key(&bytes.to_string())
        .body(vec![b' '; bytes])
}
