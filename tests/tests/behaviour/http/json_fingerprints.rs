//! `fingerprint = "json"` compares the value of a body, not its notation.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use idem_axum::{Tx, idempotent};
use idem_tests::http::Attempt;

use super::fingerprints::by_acme;
use super::support::app::{AppState, FIVE, Paid, Tenant, engine, has_paid, pay, problem, start};
use super::{Db, TestDb};

#[idempotent(scope = "tenant", operation = "pay", fingerprint = "json")]
pub async fn by_json(Tenant(tenant): Tenant, mut tx: Tx<Db>, _: Bytes) -> Paid {
    pay(&mut tx, &tenant, FIVE).await
}

/// Waits at the gate.
#[idempotent(scope = "tenant", operation = "pay", fingerprint = "json")]
async fn by_json_at_gate(
    State(state): State<AppState>,
    Tenant(tenant): Tenant,
    mut tx: Tx<Db>,
    _: Bytes,
) -> Paid {
    state.gate.entered.notify_one();
    state.gate.open.notified().await;
    pay(&mut tx, &tenant, FIVE).await
}

#[tokio::test]
async fn equal_json_in_another_notation_is_replayed() {
    let (db, app) = start(routes()).await;
    let first = json("k", r#"{"amount":1,"to":["a","b"]}"#).send(&app).await;
    assert!(has_paid(&first));
    for same in [
        r#"{"to":["a","b"],"amount":1}"#,
        "{ \"amount\" : 1.0,\n \"to\": [\"\\u0061\", \"b\"] }",
    ] {
        let retry = json("k", same).send(&app).await;
        assert!(retry.is_replay(), "{same} {retry:?}");
    }
    for other in [
        r#"{"amount":2,"to":["a","b"]}"#,
        r#"{"amount":1,"to":["b","a"]}"#,
        r#"{"amount":"1","to":["a","b"]}"#,
        r#"{"amount":1,"to":["a","b"],"x":null}"#,
    ] {
        assert_eq!(json("k", other).send(&app).await.status, 422, "{other}");
    }
    assert_eq!(db.payments().await, 1);
}

#[tokio::test]
async fn equal_json_in_another_notation_is_a_duplicate_while_the_first_runs() {
    let db = TestDb::new().await;
    let state = AppState::new(engine(&db).await);
    let routes = Router::new().route("/gate", post(by_json_at_gate));
    let app = routes.with_state(state.clone());
    let pay = |body: &str| json("k", body).path("/gate");
    let first = pay(r#"{"amount":1,"to":"a"}"#);
    let first = tokio::spawn({
        let app = app.clone();
        async move { first.send(&app).await }
    });
    state.gate.entered.notified().await;
    let retry = pay(r#"{ "to": "a", "amount": 1 }"#).send(&app).await;
    assert_eq!(problem(&retry), (409, "in-flight".to_owned()));
    let other = pay(r#"{"amount":2,"to":"a"}"#).send(&app).await;
    assert_eq!(problem(&other), (422, "key-reused".to_owned()));
    state.gate.open.notify_one();
    assert!(has_paid(&first.await.unwrap()));
}

#[tokio::test]
async fn a_body_nested_too_deep_for_the_parser_is_compared_by_its_bytes() {
    let (db, app) = start(routes()).await;
    let deep = |inner: &str| format!("{}{inner}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(has_paid(&json("k", &deep("1")).send(&app).await));
    assert!(json("k", &deep("1")).send(&app).await.is_replay());
    assert_eq!(json("k", &deep(" 1")).send(&app).await.status, 422);
    assert_eq!(db.payments().await, 1);
}

#[tokio::test]
async fn ambiguous_json_is_compared_by_its_bytes() {
    let (db, app) = start(routes()).await;
    let pairs = [
        // Readers differ in which of two equal names counts.
        (r#"{"amount":1,"amount":9}"#, r#"{"amount":9,"amount":9}"#),
        // One and the same double.
        (
            r#"{"amount":9007199254740993}"#,
            r#"{"amount":9007199254740992}"#,
        ),
        (
            r#"{"amount":0.10000000000000001}"#,
            r#"{"amount":0.1000000000000000}"#,
        ),
        (r#"{"amount":1"#, r#"{ "amount":1"#),
    ];
    for (number, (first, other)) in pairs.into_iter().enumerate() {
        let key = &number.to_string();
        assert!(has_paid(&json(key, first).send(&app).await), "{first}");
        assert!(json(key, first).send(&app).await.is_replay(), "{first}");
        assert_eq!(json(key, other).send(&app).await.status, 422, "{other}");
    }
    assert_eq!(db.payments().await, 4);
}

#[tokio::test]
async fn amounts_that_are_equal_as_doubles_make_different_requests() {
    let (db, app) = start(routes()).await;
    let small = |digit: &str| format!("0.{}{digit}", "0".repeat(330));
    let smallest = |digits: &str| format!("0.{}{digits}", "0".repeat(323));
    let pairs = [
        // Too small for a double, which is then 0.
        (small("1"), small("2")),
        (small("1"), "0".to_owned()),
        ("0".to_owned(), small("1")),
        // Where a double has few digits left.
        (smallest("494"), smallest("5")),
        (smallest("5"), smallest("494")),
    ];
    for (number, (first, other)) in pairs.iter().enumerate() {
        let pay = |amount: &str| json(&number.to_string(), &format!(r#"{{"amount":{amount}}}"#));
        assert!(has_paid(&pay(first).send(&app).await), "{first}");
        assert!(pay(first).send(&app).await.is_replay(), "{first}");
        let refused = pay(other).send(&app).await;
        assert_eq!(
            problem(&refused),
            (422, "key-reused".to_owned()),
            "{first} {other}"
        );
    }
    assert_eq!(db.payments().await, 5);
}

fn routes() -> Router<AppState> {
    Router::new().route("/json", post(by_json))
}

fn json(key: &str, body: &str) -> Attempt {
    by_acme("/json").key(key).body(body.to_owned())
}
