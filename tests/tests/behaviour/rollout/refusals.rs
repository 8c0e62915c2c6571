//! Which checks refuse a request in which mode of a rollout.

use std::convert::Infallible;
use std::task::Poll;

use axum::body::{Body, Bytes};
use axum::http::{Method, Request, StatusCode};
use axum::middleware::map_request;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use futures_util::{StreamExt, stream};
use http_body_util::Limited;
use idem_axum::{RolloutMode, Tx, idempotent};
use idem_tests::http;
use idem_tests::log::Log;
use tokio::time::{Duration, timeout};
use tower::ServiceExt;

use super::http::log::says;
use super::modes::{records, start_in};
use super::support::app::{
    AppState, FIVE, NewPayment, Tenant, create_payment, engine_in, has_paid, pay, payment, problem,
};
use super::{Db, TestDb};

#[tokio::test]
async fn a_missing_or_invalid_key_is_refused_only_from_validate_on() {
    let (db, idem, app) = start_in("off").await;
    let missing = payment("/payments");
    let invalid = payment("/payments").header("idempotency-key", "\"half");
    let twice = payment("/payments")
        .key("one")
        .header("idempotency-key", "two");
    let all = [&missing, &invalid, &twice];
    for mode in [RolloutMode::Off, RolloutMode::Observe] {
        idem.rollout().set("*", mode);
        for attempt in all {
            assert!(has_paid(&attempt.send(&app).await), "{mode}");
        }
    }
    assert_eq!((db.payments().await, records(&idem).await), (6, 0));
    for mode in [RolloutMode::Validate, RolloutMode::Enforce] {
        idem.rollout().set("*", mode);
        for (attempt, name) in all
            .iter()
            .zip(["key-missing", "key-invalid", "key-invalid"])
        {
            assert_eq!(
                problem(&attempt.send(&app).await),
                (400, name.to_owned()),
                "{mode}"
            );
        }
    }
    assert_eq!(db.payments().await, 6);
}

/// Pays without authentication.
#[idempotent(scope = "tenant", max_body = "10B")]
async fn pay_for_anybody(mut tx: Tx<Db>, body: Bytes) -> Result<(StatusCode, Bytes), StatusCode> {
    let (status, _) = pay(&mut tx, "anybody", FIVE).await?;
    Ok((status, body))
}

async fn start_for_anybody(plan: &str) -> (TestDb, AppState, Router) {
    let db = TestDb::new().await;
    let state = AppState::new(engine_in(&db, plan).await);
    let routes: Router<AppState> = Router::new().route("/anybody", post(pay_for_anybody));
    let app = routes.with_state(state.clone());
    (db, state, app)
}

#[tokio::test]
async fn a_missing_scope_is_refused_only_from_validate_on() {
    let (_db, state, app) = start_for_anybody("off").await;
    let attempt = http::post("/anybody").key("k").body("short");
    // A rule that moves scopes knows of none, so it is the lesser of its modes.
    for plan in ["off", "observe", "off>enforce@99%", "observe>enforce@99%"] {
        state
            .idem
            .rollout()
            .set("*", plan.parse::<idem_axum::RolloutRule>().unwrap());
        assert_eq!(attempt.send(&app).await.status, 201, "{plan}");
    }
    for mode in [RolloutMode::Validate, RolloutMode::Enforce] {
        state.idem.rollout().set("*", mode);
        assert_eq!(attempt.send(&app).await.status, 401, "{mode}");
    }
    assert_eq!(records(&state.idem).await, 0);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_only_when_enforced() {
    let (_db, state, app) = start_for_anybody("off").await;
    let long = "x".repeat(100_000);
    let attempt = payment("/anybody").key("k").body(long.clone());
    for mode in [
        RolloutMode::Off,
        RolloutMode::Observe,
        RolloutMode::Validate,
    ] {
        state.idem.rollout().set("*", mode);
        let answer = attempt.send(&app).await;
        assert_eq!(
            (answer.status.as_u16(), answer.body.len()),
            (201, long.len()),
            "{mode}"
        );
    }
    state.idem.rollout().set("*", RolloutMode::Enforce);
    assert_eq!(
        problem(&attempt.send(&app).await),
        (413, "body-too-large".to_owned())
    );
    assert_eq!(records(&state.idem).await, 0);
}

#[tokio::test]
async fn a_safe_method_is_refused_only_from_validate_on() {
    let (db, idem, app) = start_in("off").await;
    let read = payment("/payments").method(Method::GET).key("k");
    for mode in [RolloutMode::Off, RolloutMode::Observe] {
        idem.rollout().set("*", mode);
        assert!(has_paid(&read.send(&app).await), "{mode}");
    }
    for mode in [RolloutMode::Validate, RolloutMode::Enforce] {
        idem.rollout().set("*", mode);
        let refused = problem(&read.send(&app).await);
        assert_eq!(refused, (500, "misconfigured".to_owned()), "{mode}");
    }
    assert_eq!((db.payments().await, records(&idem).await), (2, 0));
}

async fn pay_by_hand(Json(new): Json<NewPayment>) -> String {
    new.amount.to_string()
}

#[tokio::test]
async fn an_outer_body_limit_gets_413_as_without_the_attribute() {
    let db = TestDb::new().await;
    let state = AppState::new(engine_in(&db, "observe").await);
    let limited =
        |request: Request<Body>| async { request.map(|body| Body::new(Limited::new(body, 10))) };
    let routes: Router<AppState> = Router::new()
        .route("/by-hand", post(pay_by_hand))
        .route("/payments", post(create_payment));
    let routes = routes.layer(map_request(limited)).with_state(state);
    for path in ["/by-hand", "/payments"] {
        // Nothing announces how long it is.
        let chunks = stream::iter(["{\"amount\"", ": 5}"].map(Ok::<_, Infallible>));
        let request = Request::post(path).header("authorization", "Bearer acme");
        let request = request.header("content-type", "application/json");
        let request = request.header("idempotency-key", "k");
        let request = request.body(Body::from_stream(chunks)).unwrap();
        let answer = routes.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.status(), 413, "{path}");
    }
}

/// Takes no body.
#[idempotent(scope = "tenant")]
async fn ignore_the_body(_: Tenant) -> &'static str {
    "ignored"
}

#[tokio::test]
async fn a_body_is_not_read_for_a_request_that_cannot_be_recorded() {
    let db = TestDb::new().await;
    let state = AppState::new(engine_in(&db, "observe").await);
    let routes: Router<AppState> = Router::new().route("/ignore", post(ignore_the_body));
    let app = routes.with_state(state);
    let body = stream::poll_fn(|_| -> Poll<Option<Result<&str, Infallible>>> {
        panic!("it was read");
    });
    let request = Request::post("/ignore").header("authorization", "Bearer acme");
    let request = request.body(Body::from_stream(body)).unwrap();
    assert_eq!(app.oneshot(request).await.unwrap().status(), 200);
}

/// A response that never ends.
#[idempotent(scope = "tenant")]
async fn stream_on(_: Tenant) -> Response {
    let first = stream::iter([Ok::<_, Infallible>("first")]);
    Body::from_stream(first.chain(stream::pending())).into_response()
}

#[tokio::test]
async fn an_observed_streaming_response_is_not_held_back() {
    let db = TestDb::new().await;
    let state = AppState::new(engine_in(&db, "observe").await);
    let routes: Router<AppState> = Router::new().route("/stream", post(stream_on));
    let app = routes.with_state(state);
    let request = Request::post("/stream").header("authorization", "Bearer acme");
    let request = request
        .header("idempotency-key", "k")
        .body(Body::empty())
        .unwrap();
    let answer = timeout(Duration::from_secs(20), app.oneshot(request))
        .await
        .unwrap();
    let mut chunks = answer.unwrap().into_body().into_data_stream();
    assert_eq!(chunks.next().await.unwrap().unwrap(), "first");
}

#[tokio::test]
async fn the_log_says_what_enforcement_would_have_done() {
    let db = TestDb::new().await;
    let log = Log::shared();
    let app = super::support::app::app(engine_in(&db, "observe").await);
    let then = |then: &str| payment("/then").header("x-then", then);
    let key_of = |case: &str| format!("{}-{case}", module_path!());
    let pay = payment("/payments").key(&key_of("pay"));
    for _ in 0..2 {
        pay.send(&app).await;
    }
    pay.clone().body(r#"{"amount":6}"#).send(&app).await;
    then("409").key(&key_of("409")).send(&app).await;
    payment("/payments")
        .header("x-case", "none")
        .send(&app)
        .await;
    for (case, outcome) in [
        ("pay", "would_fresh"),
        ("pay", "would_replayed"),
        ("pay", "would_mismatch"),
        ("409", "would_released"),
    ] {
        log.until(|text| says(text, &key_of(case), outcome)).await;
    }
    log.until(|text| text.contains("key=\"none\" outcome=\"would_key_missing\""))
        .await;
    payment("/payments").key(&key_of("new")).send(&app).await;
    log.until(|text| says(text, &key_of("new"), "under another key"))
        .await;
    // A payment's answer has an id of its own each time.
    log.until(|text| text.contains("a retry was answered otherwise than the first attempt"))
        .await;
}
