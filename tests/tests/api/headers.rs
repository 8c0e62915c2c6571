//! Headers that every response has.

use idem_tests::http::{get, request};
use serde_json::json;

use super::app::{App, acme, payment};

#[tokio::test]
async fn every_response_is_no_store_and_nosniff() {
    let app = App::start().await;
    let pay = payment(&json!({})).key("k");
    let declined = payment(&json!({"source": "tok_declined"})).key("declined");
    let not_allowed = request("DELETE".parse().unwrap(), "/payments");
    for (attempt, status, is_replay) in [
        (pay.clone(), 201, false),
        (pay, 201, true),
        (payment(&json!({"amount": 7})).key("k"), 422, false),
        (declined.clone(), 402, false),
        (declined, 402, true),
        (
            payment(&json!({"source": "tok_panic"})).key("p"),
            500,
            false,
        ),
        (payment(&json!({})), 400, false),
        (payment(&json!({"amount": 0})).key("none"), 400, false),
        (acme(get("/payments")), 200, false),
        (acme(get("/payments/1")), 200, false),
        (acme(get("/payments/none")), 400, false),
        (acme(get("/payments/0")), 404, false),
        (get("/payments"), 401, false),
        (get("/nowhere"), 404, false),
        (not_allowed, 405, false),
        (get("/admin/rollout"), 401, false),
        (get("/healthz"), 200, false),
        (get("/metrics"), 200, false),
    ] {
        let answer = app.send(&attempt).await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert_eq!(answer.is_replay(), is_replay, "{answer:?}");
        // One line each, on replays too.
        let nosniff = answer.header("x-content-type-options");
        assert_eq!(nosniff, Some("nosniff"), "{answer:?}");
        assert_eq!(
            answer.header("cache-control"),
            Some("no-store"),
            "{answer:?}"
        );
    }
}
