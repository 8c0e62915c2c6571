//! The problem documents of refused requests.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use idem_axum::{HttpOptions, Tx, idempotent};
use idem_tests::http::Answer;
use serde_json::Value;

use super::support::app::{AppState, FIVE, Paid, Tenant, app_with, engine, has_paid, pay, payment};
use super::{Db, TestDb, idem_on};

const BASE: &str = "https://errors.example.com/idempotency/";

#[idempotent(scope = "tenant")]
async fn reject_at_gate(
    State(state): State<AppState>,
    Tenant(tenant): Tenant,
    mut tx: Tx<Db>,
    _: Bytes,
) -> Paid {
    let paid = pay(&mut tx, &tenant, FIVE).await;
    state.gate.entered.notify_one();
    state.gate.open.notified().await;
    paid
}

#[idempotent(scope = "tenant", max_response = "1B")]
async fn answer_at_length(_tx: Tx<Db>, _: Bytes) -> &'static str {
    "long"
}

#[tokio::test]
async fn each_problem_says_what_it_is_and_whether_to_retry() {
    let (_db, state, app) = start().await;
    let pay = |path: &str, then: &'static str| payment(path).key(SECRET).header("x-then", then);
    let mut refusals = Vec::new();
    for attempt in [
        payment("/then"),
        payment("/then").key("a, b"),
        payment("/then").key(SECRET).body(vec![b' '; 3 << 20]),
        pay("/then", "panic"),
        pay("/then", "forget"),
        pay("/in-time", "wait"),
        payment("/long").key(SECRET),
        pay("/then", "commit"),
        pay("/then", "replay of the refusal before"),
        payment("/then").key(SECRET).body(r#"{"amount":6}"#),
    ] {
        refusals.push(attempt.send(&app).await);
    }
    let late = state.idem.shutdown(Duration::from_secs(10)).await;
    late.unwrap();
    refusals.push(payment("/then").key(SECRET).send(&app).await);
    let names: Vec<String> = refusals.iter().map(check).collect();
    let expected = [
        "key-missing",
        "key-invalid",
        "body-too-large",
        "handler-panicked",
        "not-committed",
        "timeout",
        "response-not-storable",
        "transaction-broken",
        "transaction-broken",
        "key-reused",
        "shutting-down",
    ];
    assert_eq!(names, expected);
    let come_again = names.iter().zip(&refusals);
    let come_again = come_again.filter(|(_, refused)| refused.header("retry-after").is_some());
    let come_again: Vec<_> = come_again.map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        come_again,
        [
            "handler-panicked",
            "not-committed",
            "timeout",
            "shutting-down"
        ]
    );
}

/// The second line is the policy's; who reads the first alone finds the problem's page.
#[tokio::test]
async fn problems_link_to_the_published_policy() {
    let db = TestDb::new().await;
    engine(&db).await;
    let idem = idem_on(db.pool().await).policy_url("/idempotency");
    let state = AppState::new(idem.build());
    let app = app_with(state.idem.clone(), state.gate.clone());
    let broken = payment("/then").key(SECRET).header("x-then", "commit");
    for attempt in [payment("/then"), broken.clone(), broken] {
        let refused = attempt.send(&app).await;
        let kind = refused.json::<Value>()["type"].clone();
        let kind = format!("<{}>; rel=\"describedby\"", kind.as_str().unwrap());
        let lines: Vec<_> = refused.headers.get_all("link").iter().collect();
        assert_eq!(lines, [&*kind, "</idempotency>; rel=\"service-doc\""]);
    }
}

#[tokio::test]
async fn a_closed_pool_is_reported_as_store_unavailable() {
    let (_db, state, app) = start().await;
    state.idem.pool().close().await;
    let refused = payment("/payments").key(SECRET).send(&app).await;
    assert_eq!(check(&refused), "store-unavailable");
}

#[tokio::test]
async fn retry_after_varies_between_duplicates_refused_together() {
    let (_db, state, app) = start().await;
    let pay = payment("/reject").key(SECRET);
    let first = tokio::spawn({
        let (pay, app) = (pay.clone(), app.clone());
        async move { pay.send(&app).await }
    });
    state.gate.entered.notified().await;
    let mut waits = BTreeSet::new();
    for _ in 0..50 {
        let refused = pay.send(&app).await;
        assert_eq!(check(&refused), "in-flight");
        waits.insert(refused.header("retry-after").unwrap().to_owned());
    }
    assert!(waits.len() > 1, "{waits:?}");
    state.gate.open.notify_one();
    assert!(has_paid(&first.await.unwrap()));
}

async fn start() -> (TestDb, AppState, Router) {
    let db = TestDb::new().await;
    engine(&db).await;
    let idem = idem_on(db.pool().await).problem_base(BASE);
    let state = AppState::new(idem.build());
    let routes = Router::new()
        .route("/reject", post(reject_at_gate))
        .route("/long", post(answer_at_length));
    let app = app_with(state.idem.clone(), state.gate.clone());
    let app = app.merge(routes.with_state(state.clone()));
    (db, state, app)
}

/// Checks that a problem has exactly the required members, and returns its name.
fn check(refused: &Answer) -> String {
    let said: Value = refused.json();
    let kind = said["type"].as_str().unwrap();
    assert_eq!(
        refused.header("content-type"),
        Some("application/problem+json")
    );
    let link = format!("<{kind}>; rel=\"describedby\"");
    assert_eq!(refused.header("link"), Some(link.as_str()));
    assert_eq!(said["status"], refused.status.as_u16());
    assert!(
        said["title"].is_string() && said["detail"].is_string(),
        "{said}"
    );
    assert_eq!(said.as_object().unwrap().len(), 5, "{said}");
    let wait = refused
        .header("retry-after")
        .map(|wait| wait.parse::<u32>().unwrap());
    assert_eq!(
        wait.is_some(),
        said["retryable"].as_bool().unwrap(),
        "{said}"
    );
    assert_ne!(wait, Some(0));
    let told = format!("{refused:?}").to_lowercase();
    for hidden in [SECRET, "acme", "sql", "insert", "idem.", "idem_record"] {
        assert!(!told.contains(hidden), "{hidden} {refused:?}");
    }
    kind.strip_prefix(BASE).unwrap().to_owned()
}

const SECRET: &str = "key-that-is-a-secret";
