//! Idempotency keys, and the tenants and operations they belong to.

use axum::Router;
use idem_axum::HttpOptions;
use idem_tests::http::{Attempt, request};
use serde_json::{Value, json};

use super::support::app::{app, engine, has_paid, payment, problem};
use super::{TestDb, idem_on};

#[tokio::test]
async fn a_missing_key_is_refused() {
    let (db, app) = start().await;
    let refused = payment("/payments").send(&app).await;
    assert_eq!(problem(&refused), (400, "key-missing".to_owned()));
    assert_eq!(db.payments().await, 0);
}

#[tokio::test]
async fn an_invalid_key_is_refused_even_where_it_is_optional() {
    let (db, app) = start().await;
    for path in ["/payments", "/optional"] {
        for key in ["", "\"\"", "a, b", "\"a\", \"b\"", "\"a", "a b"] {
            let refused = payment(path).key(key).send(&app).await;
            assert_eq!(problem(&refused), (400, "key-invalid".to_owned()), "{key}");
        }
        let refused = payment(path).key("a").key("a").send(&app).await;
        assert_eq!(problem(&refused), (400, "key-invalid".to_owned()));
        let refused = payment(path).key(&"k".repeat(256)).send(&app).await;
        assert_eq!(problem(&refused), (400, "key-invalid".to_owned()));
    }
    assert_eq!(db.payments().await, 0);
}

#[tokio::test]
async fn a_quoted_key_equals_the_bare_one() {
    let (db, app) = start().await;
    let first = payment("/payments").key("k-1").send(&app).await;
    assert_eq!(first.status, 201, "{first:?}");
    for key in ["\"k-1\"", "\"k-1\";v=1"] {
        let retry = payment("/payments").key(key).send(&app).await;
        assert!(retry.is_replay(), "{retry:?}");
        assert_eq!(retry.body, first.body);
    }
    assert_eq!(db.payments().await, 1);
}

#[tokio::test]
async fn strict_keys_must_be_quoted() {
    let db = TestDb::new().await;
    engine(&db).await;
    let strict = idem_on(db.pool().await).strict_keys();
    let app = app(strict.build());
    for path in ["/payments", "/optional"] {
        let refused = payment(path).key("k").send(&app).await;
        assert_eq!(problem(&refused), (400, "key-invalid".to_owned()));
        let pay = payment(path).key("\"k\";v=1");
        assert!(has_paid(&pay.send(&app).await));
        assert!(payment(path).key("\"k\"").send(&app).await.is_replay());
    }
    assert_eq!(db.payments().await, 2);
}

#[tokio::test]
async fn the_key_header_can_be_renamed() {
    let db = TestDb::new().await;
    engine(&db).await;
    let named = idem_on(db.pool().await).key_header("X-Request-Key");
    let app = app(named.build());
    let refused = payment("/payments").key("k").send(&app).await;
    assert_eq!(problem(&refused), (400, "key-missing".to_owned()));
    let pay = payment("/payments").header("x-request-key", "k");
    assert!(has_paid(&pay.send(&app).await));
    // The usual header is one like any other.
    assert!(pay.clone().key("other").send(&app).await.is_replay());
    let refused = pay.header("x-request-key", "k").send(&app).await;
    assert_eq!(problem(&refused), (400, "key-invalid".to_owned()));
    assert_eq!(db.payments().await, 1);
}

#[tokio::test]
async fn an_invalid_key_header_name_refuses_every_request() {
    let db = TestDb::new().await;
    let idem = engine(&db).await;
    let named = idem_on(idem.pool().clone()).key_header("request key");
    let app = app(named.build());
    for path in ["/payments", "/optional"] {
        let refused = payment(path).key("k").send(&app).await;
        assert_eq!(problem(&refused), (500, "misconfigured".to_owned()));
    }
    assert_eq!(db.payments().await, 0);
}

#[tokio::test]
async fn without_an_optional_key_every_request_runs() {
    let (db, app) = start().await;
    let pay = payment("/optional");
    for _ in 0..2 {
        let paid = pay.send(&app).await;
        assert_eq!((paid.status.as_u16(), paid.is_replay()), (201, false));
    }
    assert_eq!(db.payments().await, 2);
}

#[tokio::test]
async fn a_retry_with_an_optional_key_is_replayed() {
    let (db, app) = start().await;
    let pay = payment("/optional").key("k");
    assert!(!pay.send(&app).await.is_replay());
    assert!(pay.send(&app).await.is_replay());
    assert_eq!(db.payments().await, 1);
}

#[tokio::test]
async fn the_unauthenticated_get_no_replay() {
    let (db, app) = start().await;
    assert_eq!(payment("/payments").key("k").send(&app).await.status, 201);
    let refused = anonymous().key("k").send(&app).await;
    assert_eq!(refused.status, 401, "{refused:?}");
    assert!(!refused.is_replay());
    assert_eq!(db.payments().await, 1);
}

#[tokio::test]
async fn tenants_do_not_share_keys() {
    let (db, app) = start().await;
    let acme = payment("/payments").key("k").send(&app).await;
    let other = anonymous().header("authorization", "Bearer other").key("k");
    let other = other.send(&app).await;
    assert_eq!((other.status.as_u16(), other.is_replay()), (201, false));
    assert_ne!(other.body, acme.body);
    assert_eq!(db.payments().await, 2);
}

#[tokio::test]
async fn operations_do_not_share_keys() {
    let (db, app) = start().await;
    for path in ["/payments", "/optional"] {
        let paid = payment(path).key("k").send(&app).await;
        assert_eq!((paid.status.as_u16(), paid.is_replay()), (201, false));
    }
    assert_eq!(db.payments().await, 2);
}

#[tokio::test]
async fn a_safe_method_is_refused_as_misconfigured() {
    let (db, app) = start().await;
    for method in ["GET", "HEAD", "OPTIONS"] {
        let pay = request(method.parse().unwrap(), "/payments").key("k");
        let refused = pay.header("authorization", "Bearer acme").send(&app).await;
        assert_eq!(refused.status, 500, "{refused:?}");
        // The answer to HEAD has no body.
        let link = refused.header("link").unwrap();
        assert!(link.contains("misconfigured"), "{link}");
    }
    assert_eq!(db.payments().await, 0);
}

#[tokio::test]
async fn a_problem_has_its_type_status_title_and_link() {
    let (_db, app) = start().await;
    let refused = payment("/payments").send(&app).await;
    let said: Value = refused.json();
    assert_eq!(said["type"], "urn:idem:problem:key-missing");
    assert_eq!(
        (&said["status"], &said["retryable"]),
        (&json!(400), &json!(false))
    );
    assert!(
        said["title"].is_string() && said["detail"].is_string(),
        "{said}"
    );
    let link = "<urn:idem:problem:key-missing>; rel=\"describedby\"";
    assert_eq!(refused.header("link"), Some(link));
    assert_eq!(refused.header("retry-after"), None);
}

async fn start() -> (TestDb, Router) {
    let db = TestDb::new().await;
    let idem = engine(&db).await;
    (db, app(idem))
}

/// The payment of [`payment`], unauthenticated.
fn anonymous() -> Attempt {
    idem_tests::http::post("/payments").json(&json!({ "amount": 5 }))
}
