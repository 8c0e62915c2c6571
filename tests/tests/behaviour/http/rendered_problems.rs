//! Refusals in the application's own form.

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use idem_axum::{HttpOptions, Idempotency, Rejection};
use idem_tests::http::Answer;

use super::support::app::{app, engine, has_paid, payment, problem};
use super::{Db, TestDb, idem_on};

/// The application's errors are a line of text.
fn render(why: Rejection) -> Response {
    if why == Rejection::KeyReused {
        panic!("asked to");
    }
    let text = format!("{}: {}", why.name(), why.title());
    (why.status(), [("x-error", "ours")], text).into_response()
}

async fn start(
    build: impl FnOnce(idem_axum::IdempotencyBuilder<Db>) -> Idempotency<Db>,
) -> (TestDb, Router) {
    let db = TestDb::new().await;
    engine(&db).await;
    let idem = build(idem_on(db.pool().await));
    (db, app(idem))
}

fn assert_ours(answer: &Answer, status: u16, name: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.header("x-error"), Some("ours"), "{answer:?}");
    let text = String::from_utf8_lossy(&answer.body);
    assert!(text.starts_with(&format!("{name}: ")), "{text}");
    assert_eq!(answer.header("link"), None);
}

#[tokio::test]
async fn a_refusal_is_rendered_by_the_application() {
    let (_db, app) = start(|idem| idem.render(render).build()).await;
    let refused = payment("/payments").send(&app).await;
    assert_ours(&refused, 400, "key-missing");
    assert_eq!(refused.header("retry-after"), None);
    let refused = payment("/then").key("k").header("x-then", "panic");
    let refused = refused.send(&app).await;
    assert_ours(&refused, 500, "handler-panicked");
    assert!(refused.header("retry-after").is_some(), "{refused:?}");
}

#[tokio::test]
async fn a_refusal_that_retries_get_too_is_stored_as_it_was_rendered() {
    let (_db, app) = start(|idem| idem.render(render).build()).await;
    let broken = payment("/then").key("k").header("x-then", "commit");
    let first = broken.send(&app).await;
    assert_ours(&first, 500, "transaction-broken");
    let again = broken.send(&app).await;
    assert!(again.is_replay(), "{again:?}");
    assert_ours(&again, 500, "transaction-broken");
    assert_eq!(again.body, first.body);
}

#[tokio::test]
async fn a_render_function_that_panics_leaves_the_problem_document() {
    let (_db, app) = start(|idem| idem.render(render).build()).await;
    let pay = payment("/payments").key("k");
    assert!(has_paid(&pay.send(&app).await));
    let refused = pay.body(r#"{"amount":6}"#).send(&app).await;
    assert_eq!(problem(&refused), (422, "key-reused".to_owned()));
}

#[tokio::test]
async fn a_layer_reads_the_rejection_from_the_response() {
    let (_db, app) = start(|idem| idem.build()).await;
    let app = app.layer(from_fn(async |request: Request, next: Next| {
        let response = next.run(request).await;
        match response.extensions().get::<Rejection>() {
            Some(Rejection::KeyMissing) => StatusCode::IM_A_TEAPOT.into_response(),
            Some(other) => panic!("{other:?}"),
            None => response,
        }
    }));
    assert_eq!(payment("/payments").send(&app).await.status, 418);
    assert!(has_paid(&payment("/payments").key("k").send(&app).await));
}
