//! The order of checks: unauthorised requests cost as little as possible.

use std::borrow::Cow;

use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::routing::post;
use axum::{Json, Router};
use idem_axum::{HttpOptions, ScopeKey, Tx, idempotent};
use idem_tests::http::{self, Answer, Attempt};

use super::bodies::Broken;
use super::support::app::{
    AppState, FIVE, NewPayment, Paid, Tenant, engine, has_paid, pay, payment, problem, start,
};
use super::{Db, RECORD, SCOPE_AND_KEY, TestDb, idem_on};

#[idempotent(scope = "tenant")]
async fn with_a_body(Tenant(tenant): Tenant, mut tx: Tx<Db>, Json(new): Json<NewPayment>) -> Paid {
    pay(&mut tx, &tenant, new).await
}

#[idempotent(scope = "global")]
async fn without_a_body(mut tx: Tx<Db>, Tenant(tenant): Tenant) -> Paid {
    pay(&mut tx, &tenant, FIVE).await
}

#[idempotent(scope = Shop)]
async fn with_a_scope_of_its_own(mut tx: Tx<Db>, Json(new): Json<NewPayment>) -> Paid {
    pay(&mut tx, "shop", new).await
}

#[idempotent(scope = ((Tenant, Shop), Tenant))]
async fn with_a_scope_of_parts(
    Tenant(tenant): Tenant,
    mut tx: Tx<Db>,
    Json(new): Json<NewPayment>,
) -> Paid {
    pay(&mut tx, &tenant, new).await
}

/// The shop from `x-shop`, which may be closed or missing.
struct Shop(String);

impl<S: Sync> FromRequestParts<S> for Shop {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, StatusCode> {
        match parts.headers.get("x-shop").map(|shop| shop.as_bytes()) {
            Some(b"closed") => Err(StatusCode::FORBIDDEN),
            shop => Ok(Self(
                String::from_utf8_lossy(shop.unwrap_or_default()).into(),
            )),
        }
    }
}

impl ScopeKey for Shop {
    fn scope_key(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.0)
    }
}

#[tokio::test]
async fn a_malformed_key_is_refused_before_authentication() {
    let (_db, app) = start(routes()).await;
    for path in ["/body", "/no-body"] {
        let refused = unread(&app, &anonymous(path).key("a, b")).await;
        assert_eq!(problem(&refused), (400, "key-invalid".to_owned()));
    }
}

#[tokio::test]
async fn a_missing_key_is_refused_after_authentication_and_before_the_body() {
    let (_db, app) = start(routes()).await;
    for (attempt, status) in [
        // The handler's own extractor refuses it, the scope's, and a scope that names nobody.
        (anonymous("/body"), 401),
        (payment("/shop").header("x-shop", "closed"), 403),
        (payment("/shop"), 401),
        (payment("/body"), 400),
        (payment("/no-body"), 400),
        (payment("/shop").header("x-shop", "open"), 400),
    ] {
        let refused = unread(&app, &attempt).await;
        assert_eq!(refused.status, status, "{refused:?}");
        if status == 400 {
            assert_eq!(problem(&refused), (400, "key-missing".to_owned()));
        }
    }
}

#[tokio::test]
async fn an_unauthenticated_request_is_refused_before_its_body_is_read() {
    let (db, app) = start(routes()).await;
    for path in ["/body", "/no-body"] {
        let long = anonymous(path).header("content-length", "1000000000");
        for attempt in [anonymous(path), long] {
            let refused = unread(&app, &attempt.key("k")).await;
            assert_eq!(refused.status, 401, "{refused:?}");
        }
        assert!(has_paid(&payment(path).key("k").send(&app).await));
    }
    assert_eq!(db.payments().await, 2);
}

#[tokio::test]
async fn a_request_refused_by_its_scope_is_answered_before_its_body_is_read() {
    let (db, app) = start(routes()).await;
    let pay = payment("/shop").key("k");
    let closed = pay.clone().header("x-shop", "closed");
    let refused = unread(&app, &closed).await;
    assert_eq!((refused.status.as_u16(), refused.body.len()), (403, 0));
    let refused = unread(&app, &pay).await;
    assert_eq!(problem(&refused), (401, "scope-missing".to_owned()));
    assert_eq!(refused.header("www-authenticate"), None);
    assert_eq!(db.payments().await, 0);
    assert!(has_paid(&pay.header("x-shop", "open").send(&app).await));
}

#[tokio::test]
async fn a_missing_scope_part_refuses_the_request() {
    let (db, app) = start(routes()).await;
    let pay = payment("/parts").key("k");
    for nobody in [pay.clone(), pay.clone().header("x-shop", "")] {
        let refused = unread(&app, &nobody).await;
        assert_eq!(problem(&refused), (401, "scope-missing".to_owned()));
    }
    assert_eq!(db.payments().await, 0);
    let mut stored = Vec::new();
    for shop in ["a", "b"] {
        let first = pay.clone().header("x-shop", shop);
        assert!(has_paid(&first.send(&app).await));
        assert!(first.send(&app).await.is_replay());
        stored.push(format!("9:4:acme1:{shop}4:acme"));
    }
    assert_eq!(db.payments().await, 2);
    // Records of earlier builds are found by these texts.
    assert_eq!(scopes(&db).await, stored);
}

#[tokio::test]
async fn a_request_without_a_scope_gets_the_configured_challenge() {
    let db = TestDb::new().await;
    engine(&db).await;
    let challenge = "Bearer realm=\"shop\"";
    let idem = idem_on(db.pool().await).challenge(challenge.parse().unwrap());
    let app = routes().with_state(AppState::new(idem.build()));
    let refused = payment("/shop").key("k").send(&app).await;
    assert_eq!(problem(&refused), (401, "scope-missing".to_owned()));
    assert_eq!(refused.header("www-authenticate"), Some(challenge));
    // Nothing else asks for it, and nothing that says another thing is spoken over.
    for (attempt, status) in [
        (payment("/shop").key("k").header("x-shop", "closed"), 403),
        (payment("/body"), 400),
        (anonymous("/body").key("k"), 401),
    ] {
        let refused = attempt.send(&app).await;
        assert_eq!(refused.status, status, "{refused:?}");
        assert_eq!(refused.header("www-authenticate"), None, "{refused:?}");
    }
}

#[tokio::test]
async fn a_body_that_cannot_be_extracted_leaves_the_key_free() {
    let (db, app) = start(routes()).await;
    let pay = payment("/body").key("k");
    for (body, status) in [("{", 400), (r#"{"amount":"five"}"#, 422)] {
        let refused = pay.clone().body(body).send(&app).await;
        assert_eq!(refused.status, status, "{refused:?}");
        assert_ne!(
            refused.header("content-type"),
            Some("application/problem+json")
        );
    }
    assert_eq!(db.payments().await, 0);
    assert!(has_paid(&pay.send(&app).await));
    // What cannot be extracted is not compared with what is stored.
    let refused = pay.body("{").send(&app).await;
    assert_eq!(refused.status, 400, "{refused:?}");
}

fn routes() -> Router<AppState> {
    Router::new()
        .route("/body", post(with_a_body))
        .route("/no-body", post(without_a_body))
        .route("/shop", post(with_a_scope_of_its_own))
        .route("/parts", post(with_a_scope_of_parts))
}

async fn scopes(db: &TestDb) -> Vec<String> {
    let rows = format!("select {SCOPE_AND_KEY} from {RECORD} order by scope");
    let rows = sqlx::query_as(sqlx::AssertSqlSafe(rows));
    let rows: Vec<(String, String)> = rows.fetch_all(&db.pool().await).await.unwrap();
    rows.into_iter().map(|(scope, _)| scope).collect()
}

fn anonymous(path: &str) -> Attempt {
    http::post(path).header("content-type", "application/json")
}

/// The response to a request; its body must not have been read.
async fn unread(app: &Router, attempt: &Attempt) -> Answer {
    let body = Broken::default();
    let answer = attempt.send_body(app, Body::new(body.clone())).await;
    assert!(!body.was_read(), "{answer:?}");
    answer
}
