//! Payments: created, listed, shown, refused.

use idem_tests::http::{get, post};
use serde_json::{Value, json};

use super::app::{App, acme, globex, is_problem, payment};

#[tokio::test]
async fn a_payment_is_created_listed_and_shown() {
    let app = App::start().await;
    let body = json!({"reference": "invoice-17", "source": "tok_visa"});
    let paid = app.send(&payment(&body).key("k")).await;
    assert_eq!(paid.status, 201, "{paid:?}");
    let created: Value = paid.json();
    let id = created["id"].to_string();
    assert_eq!(paid.header("location"), Some(&*format!("/payments/{id}")));
    assert!(!created["created_at"].as_str().unwrap().is_empty());
    for (name, value) in [
        ("tenant", json!("acme")),
        ("amount", json!(100)),
        ("currency", json!("EUR")),
        ("reference", json!("invoice-17")),
        ("status", json!("captured")),
    ] {
        assert_eq!(created[name], value, "{name}");
    }
    let shown = app.get(&format!("/payments/{id}")).await;
    assert_eq!(
        (shown.status.as_u16(), shown.json()),
        (200, created.clone())
    );
    assert_eq!(app.payments("").await, [created]);
}

#[tokio::test]
async fn the_list_is_newest_first_and_applies_its_filters() {
    let app = App::start().await;
    for key in ["a", "b", "c"] {
        let paid = payment(&json!({ "reference": key })).key(key);
        assert_eq!(app.send(&paid).await.status, 201);
    }
    let references = async |query: &str| {
        let payments = app.payments(query).await;
        let references = payments.iter().map(|payment| payment["reference"].clone());
        references.collect::<Vec<_>>()
    };
    assert_eq!(references("").await, ["c", "b", "a"]);
    assert_eq!(references("?limit=2").await, ["c", "b"]);
    assert_eq!(references("?reference=b").await, ["b"]);
}

#[tokio::test]
async fn another_tenant_sees_no_payments_and_has_its_own_keys() {
    let app = App::start().await;
    let path = app.pay("k").await;
    assert!(is_problem(&app.send(&globex(get(&path))).await, 404));
    let list: Value = app.send(&globex(get("/payments"))).await.json();
    assert_eq!(list, json!({"payments": []}));
    let body = json!({"amount": 100, "currency": "EUR"});
    let theirs = app
        .send(&globex(post("/payments")).json(&body).key("k"))
        .await;
    assert_eq!((theirs.status.as_u16(), theirs.is_replay()), (201, false));
    assert_eq!(theirs.json::<Value>()["tenant"], "globex");
}

#[tokio::test]
async fn unauthenticated_requests_get_401() {
    let app = App::start().await;
    let body = json!({"amount": 100, "currency": "EUR"});
    let pay = post("/payments").key("k").json(&body);
    for attempt in [
        pay.clone(),
        pay.header("authorization", "Bearer another-key"),
        get("/payments"),
        get("/payments/1"),
    ] {
        let refused = app.send(&attempt).await;
        assert!(is_problem(&refused, 401), "{refused:?}");
        assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
    }
    assert_eq!(app.payments("").await, [Value::Null; 0]);
}

#[tokio::test]
async fn the_bearer_scheme_is_case_insensitive() {
    let app = App::start().await;
    for (authorization, status) in [
        ("bearer acme-demo-key", 200),
        ("BEARER acme-demo-key", 200),
        ("bEaReR   acme-demo-key", 200),
        ("Bearer ACME-DEMO-KEY", 401),
        ("Bearer", 401),
        ("Beareracme-demo-key", 401),
        ("Basic acme-demo-key", 401),
        ("acme-demo-key", 401),
    ] {
        let list = get("/payments").header("authorization", authorization);
        assert_eq!(app.send(&list).await.status, status, "{authorization}");
    }
}

#[tokio::test]
async fn a_payment_without_a_key_is_refused() {
    let app = App::start().await;
    assert!(is_problem(&app.send(&payment(&json!({}))).await, 400));
    assert_eq!(app.payments("").await, [Value::Null; 0]);
}

#[tokio::test]
async fn a_declined_card_is_replayed_and_nothing_is_charged() {
    let app = App::start().await;
    let declined = payment(&json!({"source": "tok_declined"})).key("k");
    for replayed in [false, true] {
        let refused = app.send(&declined).await;
        assert!(is_problem(&refused, 402), "{refused:?}");
        assert_eq!(refused.is_replay(), replayed);
    }
    assert_eq!(app.payments("").await, [Value::Null; 0]);
}

#[tokio::test]
async fn a_failed_payment_leaves_nothing_and_frees_the_key() {
    let app = App::start().await;
    for source in ["tok_error", "tok_panic"] {
        let failing = payment(&json!({ "source": source })).key("k");
        for _ in 0..2 {
            let failed = app.send(&failing).await;
            assert!(is_problem(&failed, 500), "{failed:?}");
            assert!(!failed.is_replay());
            assert_eq!(app.payments("").await, [Value::Null; 0]);
        }
    }
    app.pay("k").await;
}

#[tokio::test]
async fn an_invalid_payment_is_refused_and_frees_the_key() {
    let app = App::start().await;
    for changes in [
        json!({"amount": 0}),
        json!({"amount": -1}),
        json!({"amount": 100_000_000}),
        json!({"amount": "100"}),
        json!({"amount": 1.5}),
        json!({"currency": "eur"}),
        json!({"currency": "EURO"}),
        json!({"currency": null}),
        json!({"reference": 17}),
    ] {
        let refused = app.send(&payment(&changes).key("k")).await;
        assert!(is_problem(&refused, 400), "{changes} {refused:?}");
    }
    let no_json = acme(post("/payments")).key("k").body("{");
    assert!(is_problem(&app.send(&no_json).await, 400));
    // Serde alone takes the fields of a struct in their order.
    for no_object in [
        json!([100, "EUR", null, null]),
        json!([{"amount": 100, "currency": "EUR"}]),
        json!([]),
        json!(null),
        json!("payment"),
    ] {
        let refused = acme(post("/payments")).json(&no_object).key("k");
        let refused = app.send(&refused).await;
        assert!(is_problem(&refused, 400), "{no_object} {refused:?}");
    }
    assert_eq!(app.payments("").await, [Value::Null; 0]);
    app.pay("k").await;
    let most = payment(&json!({"amount": 99_999_999})).key("most");
    assert_eq!(app.send(&most).await.status, 201);
}
