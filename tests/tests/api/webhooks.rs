//! Webhooks of the card network: forged, repeated, out of order, twice at once.

use idem_tests::http::{Answer, Attempt};
use idem_tests::webhook::{self, now, signature};
use serde_json::{Value, json};

use super::app::{App, is_problem, payment};
use super::race::at_once;

const EVENTS: &str = "select count(*) from network_event";

#[tokio::test]
async fn a_repeated_event_takes_effect_once() {
    let app = App::start_with(&["--webhook-secret", SECRET]).await;
    let settled = settled(&app, "e1").await;
    for _ in 0..3 {
        assert_eq!(app.send(&signed(&settled)).await.status, 204);
    }
    assert_eq!(app.count(EVENTS).await, 1);
}

#[tokio::test]
async fn one_of_20_deliveries_at_once_takes_effect() {
    let app = App::start_with(&["--webhook-secret", SECRET]).await;
    let settled = settled(&app, "e1").await;
    let answers = at_once(&app, (0..20).map(|_| signed(&settled))).await;
    let accepted = |answer: &Answer| answer.status == 204;
    assert!(answers.iter().any(accepted), "{answers:?}");
    for refused in answers.iter().filter(|answer| !accepted(answer)) {
        assert!(is_problem(refused, 503), "{refused:?}");
        assert!(refused.header("retry-after").is_some(), "{refused:?}");
    }
    assert_eq!(app.send(&signed(&settled)).await.status, 204);
    assert_eq!(app.count(EVENTS).await, 1);
}

#[tokio::test]
async fn an_overtaken_event_does_not_turn_a_payment_back() {
    let app = App::start_with(&["--webhook-secret", SECRET]).await;
    let first = settled(&app, "e1").await;
    let mut second = first.clone();
    second["id"] = json!("e2");
    second["type"] = json!("payment.disputed");
    second["sequence"] = json!(2);
    for event in [&second, &first] {
        assert_eq!(app.send(&signed(event)).await.status, 204);
    }
    let disputed = "select count(*) from payment where network_status = 'disputed'";
    assert_eq!(app.count(disputed).await, 1);
    assert_eq!(app.count(EVENTS).await, 2);
}

#[tokio::test]
async fn what_the_network_has_not_signed_just_now_is_refused() {
    let app = App::start_with(&["--webhook-secret", SECRET]).await;
    let event = settled(&app, "e1").await.to_string();
    let now = now();
    let right = signature(SECRET, now, &event);
    let code = right.split("v1=").last().unwrap();
    for (name, body, signature) in [
        ("no signature", event.clone(), None),
        (
            "another secret",
            event.clone(),
            Some(signature("another", now, &event)),
        ),
        ("another body", event.replace('1', "2"), Some(right.clone())),
        (
            "another time",
            event.clone(),
            Some(format!("t={},v1={code}", now + 1)),
        ),
        (
            "long ago",
            event.clone(),
            Some(signature(SECRET, now - 400, &event)),
        ),
        ("another form", event.clone(), Some(code.to_owned())),
    ] {
        let mut forged = webhook::unsigned(&body);
        if let Some(signature) = signature {
            forged = forged.header("card-network-signature", &signature);
        }
        let refused = app.send(&forged).await;
        assert!(is_problem(&refused, 403), "{name}: {refused:?}");
    }
    assert_eq!(app.count(EVENTS).await, 0);
}

#[tokio::test]
async fn without_a_secret_every_webhook_is_refused() {
    let app = App::start().await;
    let event = settled(&app, "e1").await;
    let refused = app.send(&signed(&event)).await;
    assert!(is_problem(&refused, 403), "{refused:?}");
}

#[tokio::test]
async fn an_event_that_cannot_be_handled_is_delivered_again() {
    let app = App::start_with(&["--webhook-secret", SECRET]).await;
    let early = json!({"id": "e1", "type": "payment.settled", "payment": 1, "sequence": 1});
    let refused = app.send(&signed(&early)).await;
    assert!(is_problem(&refused, 503), "{refused:?}");
    let settled = settled(&app, "e1").await;
    assert_eq!(settled["payment"], 1);
    assert_eq!(app.send(&signed(&settled)).await.status, 204);
    let mut reused = settled.clone();
    reused["type"] = json!("payment.disputed");
    let refused = app.send(&signed(&reused)).await;
    assert!(is_problem(&refused, 422), "{refused:?}");
    for (name, value) in [
        ("id", json!("")),
        ("id", json!("e".repeat(256))),
        ("sequence", json!(0)),
        ("type", json!("payment.imagined")),
    ] {
        let mut invalid = settled.clone();
        invalid[name] = value;
        let refused = app.send(&signed(&invalid)).await;
        assert!(is_problem(&refused, 400), "{refused:?}");
    }
    assert_eq!(app.count(EVENTS).await, 1);
}

/// The first event of a payment that exists.
async fn settled(app: &App, id: &str) -> Value {
    let paid = app.send(&payment(&json!({})).key("paid")).await;
    let paid: Value = paid.json();
    json!({"id": id, "type": "payment.settled", "payment": paid["id"], "sequence": 1})
}

fn signed(event: &Value) -> Attempt {
    webhook::signed(SECRET, event)
}

const SECRET: &str = "whsec-test";
