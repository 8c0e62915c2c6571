//! What Idem writes to the application's log, and what it must not write.

use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use idem_axum::{IdempotencyKey, Tx, idempotent};
use idem_tests::{http, log::Log};
use tracing::{Instrument, info_span};

use super::support::app::{
    FIVE, Paid, Tenant, app, engine, has_paid, pay, payment, problem, start,
};
use super::{Db, TestDb, idem_on};

#[idempotent(scope = "tenant")]
async fn say_hello(Tenant(tenant): Tenant, mut tx: Tx<Db>, _: Bytes) -> Paid {
    tracing::info!("hello");
    pay(&mut tx, &tenant, FIVE).await
}

#[tokio::test]
async fn the_log_contains_no_key_scope_or_body() {
    let db = TestDb::new().await;
    let log = Log::shared();
    let (one, other) = (engine(&db).await, engine(&db).await);
    let nodes = [app(one.clone()), app(other)];
    let body = r#"{"amount": 5, "note": "body-secret"}"#;
    let pay = |path: &str, then: &str| {
        http::post(path)
            .header("authorization", "Bearer tenant-secret")
            .header("content-type", "application/json")
            .header("x-then", then)
            .key(&key_of(then))
            .body(body)
    };
    for node in &nodes {
        for then in ["402", "409", "fail", "commit", "forget", "panic"] {
            pay("/then", then).send(node).await;
        }
        pay("/payments", "run").send(node).await;
        pay("/payments", "run")
            .body("{\"amount\":6}")
            .send(node)
            .await;
        pay("/payments", "twice").key("key-secret").send(node).await;
        pay("/in-time", "wait").send(node).await;
        pay("/payments", "run")
            .method("GET".parse().unwrap())
            .send(node)
            .await;
    }
    one.pool().close().await;
    pay("/payments", "unavailable").send(&nodes[0]).await;
    for (then, outcome) in [
        ("run", "outcome=\"fresh\""),
        ("run", "outcome=\"replayed\""),
        ("run", "outcome=\"mismatch\""),
        ("run", "problem=\"key-reused\""),
        ("402", "outcome=\"fresh\""),
        ("409", "outcome=\"released\""),
        ("commit", "problem=\"transaction-broken\""),
        ("forget", "problem=\"not-committed\""),
        ("panic", "problem=\"handler-panicked\""),
        ("wait", "problem=\"timeout\""),
        ("wait", "outcome=\"failed\""),
        ("unavailable", "problem=\"store-unavailable\""),
    ] {
        log.until(|text| says(text, &key_of(then), outcome)).await;
    }
    let text = log.text();
    for hidden in ["key-secret", "tenant-secret", "body-secret"] {
        assert!(!text.contains(hidden), "{hidden} in {text}");
    }
}

/// Whether the log has this text within the span of an attempt with this key.
pub fn says(text: &str, key: &str, what: &str) -> bool {
    let key: IdempotencyKey = key.parse().unwrap();
    let key = format!("key=\"{}\"", key.digest());
    let mut lines = text.lines();
    lines.any(|line| line.contains(&key) && line.contains(what))
}

#[tokio::test]
async fn the_log_says_why_the_store_is_unavailable() {
    let db = TestDb::new().await;
    let log = Log::shared();
    engine(&db).await;
    let pool = db.pool_of(1).await;
    let hurried = idem_on(pool.clone()).acquire_timeout(Duration::from_millis(1));
    let only = pool.acquire().await.unwrap();
    let pay = payment("/payments").key("k");
    let refused = pay.send(&app(hurried.build())).await;
    assert_eq!(problem(&refused), (503, "store-unavailable".to_owned()));
    drop(only);
    let cause = sqlx::Error::PoolTimedOut.to_string();
    assert!(log.text().contains(&cause), "{cause}");
}

#[tokio::test]
async fn an_attempt_is_logged_within_the_span_of_its_request() {
    let log = Log::shared();
    let routes = Router::new().route("/hello", post(say_hello));
    let (_db, app) = start(routes).await;
    let request = info_span!("request", id = module_path!());
    let pay = payment("/hello").key("k");
    assert!(has_paid(&pay.send(&app).instrument(request).await));
    let text = log.text();
    let key: IdempotencyKey = "k".parse().unwrap();
    let spans = format!(
        "request{{id={:?}}}:idempotent_attempt{{operation=\"POST /hello\" mode=\"enforce\" \
         key=\"{}\"}}",
        module_path!(),
        key.digest()
    );
    let hello = text
        .lines()
        .find(|line| line.ends_with("hello") && line.contains(&spans));
    assert!(hello.is_some(), "{spans} is not in {text}");
}

/// A key that no other test uses.
fn key_of(then: &str) -> String {
    format!("key-secret-{}-{then}", module_path!())
}
