//! What must not change between retries, and what may.

use axum::Router;
use axum::body::Bytes;
use axum::http::Method;
use axum::routing::{any, post};
use idem_axum::{FingerprintInput, Tx, idempotent};
use idem_tests::http::{self, Attempt};

use super::json_fingerprints::by_json;
use super::support::app::{
    AppState, FIVE, Paid, Tenant, app_with, engine, has_paid, pay, payment, problem, start,
};
use super::{Db, TestDb};

#[idempotent(scope = "tenant", operation = "pay")]
async fn by_body(Tenant(tenant): Tenant, mut tx: Tx<Db>, _: Bytes) -> Paid {
    pay(&mut tx, &tenant, FIVE).await
}

#[idempotent(scope = "tenant", operation = "pay", fingerprint = without_note)]
async fn by_function(Tenant(tenant): Tenant, mut tx: Tx<Db>, _: Bytes) -> Paid {
    pay(&mut tx, &tenant, FIVE).await
}

#[idempotent(scope = "tenant", fingerprint_headers = ["X-Currency"])]
async fn by_currency(Tenant(tenant): Tenant, mut tx: Tx<Db>, _: Bytes) -> Paid {
    pay(&mut tx, &tenant, FIVE).await
}

/// The body up to the first `#`.
fn without_note(input: &FingerprintInput<'_>) -> Vec<u8> {
    let mut parts = input.body.split(|byte| *byte == b'#');
    parts.next().unwrap_or_default().to_vec()
}

#[tokio::test]
async fn every_part_of_a_request_is_compared() {
    let (db, app) = start(routes()).await;
    let first = payment("/body/1?by=card").key("k");
    assert!(has_paid(&first.send(&app).await));
    for changed in [
        first.clone().method(Method::PUT),
        first.clone().path("/body/2?by=card"),
        first.clone().path("/body/1?by=cash"),
        first.clone().path("/body/1"),
        first.clone().body(r#"{"amount":6}"#),
        first.clone().body(""),
        text(r#"{"amount":5}"#).path("/body/1?by=card"),
    ] {
        let refused = changed.send(&app).await;
        let expected = (422, "key-reused".to_owned());
        assert_eq!(problem(&refused), expected, "{changed:?}");
        let told = refused.json::<serde_json::Value>()["detail"].to_string();
        for part in ["method", "path", "query", "content type", "body", "header"] {
            assert!(told.contains(part), "{part} is compared: {told}");
        }
        // However often it is repeated, and whatever came between.
        assert_eq!(changed.send(&app).await, refused);
        assert!(first.send(&app).await.is_replay());
    }
    assert_eq!(db.payments().await, 1);
}

#[tokio::test]
async fn a_path_that_is_not_utf8_is_compared() {
    let (db, app) = start(routes()).await;
    let first = payment("/body/%ff").key("k");
    assert!(has_paid(&first.send(&app).await));
    assert!(first.send(&app).await.is_replay());
    assert_eq!(first.path("/body/%fe").send(&app).await.status, 422);
    assert_eq!(db.payments().await, 1);
}

#[tokio::test]
async fn the_last_byte_of_a_long_body_is_compared() {
    let (db, app) = start(routes()).await;
    let mut body = vec![b'a'; 3 << 19];
    assert!(has_paid(&text(body.clone()).send(&app).await));
    assert!(text(body.clone()).send(&app).await.is_replay());
    *body.last_mut().unwrap() = b'b';
    assert_eq!(text(body).send(&app).await.status, 422);
    assert_eq!(db.payments().await, 1);
}

#[tokio::test]
async fn a_different_request_gets_422_while_the_first_one_runs() {
    let db = TestDb::new().await;
    let state = AppState::new(engine(&db).await);
    let app = app_with(state.idem.clone(), state.gate.clone());
    let first = tokio::spawn({
        let app = app.clone();
        async move { payment("/gate").key("k").send(&app).await }
    });
    state.gate.entered.notified().await;
    let other = payment("/gate").key("k").body(r#"{"amount":6}"#);
    let refused = other.send(&app).await;
    assert_eq!(problem(&refused), (422, "key-reused".to_owned()));
    state.gate.open.notify_one();
    assert!(has_paid(&first.await.unwrap()));
    assert_eq!(other.send(&app).await, refused);
}

#[tokio::test]
async fn a_fingerprint_function_decides_what_is_compared() {
    let (db, app) = start(routes()).await;
    let noted = |body: &'static str| text(body).path("/function");
    assert!(has_paid(&noted("5 EUR # first").send(&app).await));
    assert!(noted("5 EUR # again").send(&app).await.is_replay());
    assert_eq!(noted("6 EUR # first").send(&app).await.status, 422);
    assert_eq!(db.payments().await, 1);
}

#[tokio::test]
async fn listed_headers_are_compared() {
    let (db, app) = start(routes()).await;
    let pay = payment("/currency").key("k");
    let euro = pay.clone().header("x-currency", "EUR");
    assert!(has_paid(&euro.send(&app).await));
    let retry = euro.clone().header("x-trace", "2").send(&app).await;
    assert!(retry.is_replay(), "{retry:?}");
    for changed in [
        pay.clone().header("x-currency", "USD"),
        euro.header("x-currency", "USD"),
        pay,
    ] {
        assert_eq!(changed.send(&app).await.status, 422, "{changed:?}");
    }
    assert_eq!(db.payments().await, 1);
}

#[tokio::test]
async fn a_record_is_compared_by_its_own_fingerprint_method_after_a_deploy() {
    let (db, app) = start(routes()).await;
    let deploys = [
        ("/body", "/json"),
        ("/json", "/body"),
        ("/body", "/function"),
        ("/json", "/function"),
    ];
    for (before, after) in deploys {
        let pay = payment(before).key(&format!("{before}{after}"));
        assert!(has_paid(&pay.send(&app).await));
        let after = pay.path(after);
        let retry = after.send(&app).await;
        assert!(retry.is_replay(), "{before} {retry:?}");
        let other = after.body(r#"{"amount":6}"#).send(&app).await;
        assert_eq!(other.status, 422, "{before} {other:?}");
    }
    assert_eq!(db.payments().await, 4);
}

#[tokio::test]
async fn a_record_is_replayed_when_its_fingerprint_function_is_gone() {
    let (db, app) = start(routes()).await;
    let pay = payment("/function").key("k");
    assert!(has_paid(&pay.send(&app).await));
    let retry = pay.clone().path("/body").body("other").send(&app).await;
    assert!(retry.is_replay(), "{retry:?}");
    assert_eq!(db.payments().await, 1);
}

/// The attribute before and after a deploy.
mod before_and_after {
    use super::*;

    #[idempotent(scope = "tenant")]
    pub async fn plain(Tenant(tenant): Tenant, mut tx: Tx<Db>, _: Bytes) -> Paid {
        pay(&mut tx, &tenant, FIVE).await
    }

    #[idempotent(scope = "tenant", operation = "POST /pay/{}")]
    pub async fn spelt_out(Tenant(tenant): Tenant, mut tx: Tx<Db>, _: Bytes) -> Paid {
        pay(&mut tx, &tenant, FIVE).await
    }

    #[idempotent(scope = "tenant", fingerprint_headers = ["x-currency", "x-account"])]
    pub async fn by_headers(Tenant(tenant): Tenant, mut tx: Tx<Db>, _: Bytes) -> Paid {
        pay(&mut tx, &tenant, FIVE).await
    }
}

#[tokio::test]
async fn a_deploy_that_changes_the_options_refuses_no_retry() {
    use before_and_after::{by_headers, plain, spelt_out};
    let db = TestDb::new().await;
    let state = AppState::new(engine(&db).await);
    let builds = [post(plain), post(spelt_out), post(by_headers)];
    let builds = builds.map(|build| {
        Router::new()
            .route("/pay/{id}", build)
            .with_state(state.clone())
    });
    let keys =
        (0..builds.len()).flat_map(|before| (0..builds.len()).map(move |after| (before, after)));
    for (before, after) in keys {
        let pay = payment("/pay/7").key(&format!("{before}-{after}"));
        let pay = pay.header("x-currency", "EUR");
        assert!(has_paid(&pay.send(&builds[before]).await));
        let retry = pay.send(&builds[after]).await;
        assert!(retry.is_replay(), "{before} {after} {retry:?}");
        for other in [pay.clone().path("/pay/8"), pay.clone().body("other")] {
            let refused = other.send(&builds[after]).await;
            assert_eq!(
                problem(&refused),
                (422, "key-reused".to_owned()),
                "{before} {after}"
            );
        }
    }
    assert_eq!(db.payments().await, 9);
}

fn routes() -> Router<AppState> {
    Router::new()
        .route("/body", post(by_body))
        .route("/body/{id}", any(by_body))
        .route("/json", post(by_json))
        .route("/function", post(by_function))
        .route("/currency", post(by_currency))
}

/// An attempt of the key `k` at `/body`, without a content type.
fn text(body: impl Into<Bytes>) -> Attempt {
    by_acme("/body").key("k").body(body)
}

pub fn by_acme(path: &str) -> Attempt {
    http::post(path).header("authorization", "Bearer acme")
}
