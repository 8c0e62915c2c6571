//! Orders: lines and a total that must agree.

use idem_tests::http::{Attempt, post};
use serde_json::{Value, json};

use super::app::{App, acme, globex, is_problem};
use super::race::one_of_duplicates_takes_effect;

#[tokio::test]
async fn an_order_is_placed_once_and_shown() {
    let app = App::start().await;
    let order = order(&json!({}));
    let placed = app.send(&order.clone().key("k")).await;
    assert_eq!(placed.status, 201, "{placed:?}");
    let body: Value = placed.json();
    assert_eq!(body["total"], 2_500);
    assert_eq!(body["lines"][1]["sku"], "mug");
    let retry = app.send(&order.key("k")).await;
    assert!(retry.is_replay() && retry.body == placed.body, "{retry:?}");
    let path = placed.header("location").unwrap();
    assert_eq!(app.get(path).await.json::<Value>(), body);
    let other = app.send(&globex(idem_tests::http::get(path))).await;
    assert!(is_problem(&other, 404), "{other:?}");
    assert_eq!(app.count("select count(*) from customer_order").await, 1);
    assert_eq!(app.count("select count(*) from order_line").await, 2);
}

#[tokio::test]
async fn one_of_20_equal_orders_is_placed() {
    let app = App::start().await;
    one_of_duplicates_takes_effect(&app, order(&json!({})), 201).await;
    assert_eq!(app.count("select count(*) from customer_order").await, 1);
}

#[tokio::test]
async fn an_order_whose_total_is_not_the_sum_of_its_lines_is_refused() {
    let app = App::start().await;
    for (changes, detail) in [
        (json!({"total": 2_499}), "the lines come to 2500"),
        (json!({"lines": []}), "lines: 1 to 100"),
        (json!({"total": 0}), "total: 1 to 99999999"),
        (json!({"currency": "eur"}), "three capital letters"),
        (
            json!({"lines": [{"sku": "mug", "quantity": 0, "unit_price": 1}]}),
            "quantity: 1 to 10000",
        ),
        (
            json!({"lines": [{"sku": "", "quantity": 1, "unit_price": 1}]}),
            "sku: 1 to 64 letters",
        ),
        (
            json!({"lines": [{"sku": "m/g", "quantity": 1, "unit_price": 1}]}),
            "sku: 1 to 64 letters",
        ),
    ] {
        let refused = app.send(&order(&changes).key("k")).await;
        assert!(is_problem(&refused, 400), "{refused:?}");
        let said = refused.json::<Value>()["detail"].to_string();
        assert!(said.contains(detail), "{said}");
    }
    assert_eq!(app.count("select count(*) from customer_order").await, 0);
    // The key is still free: nothing of the refused orders was stored.
    let placed = app.send(&order(&json!({})).key("k")).await;
    assert_eq!((placed.status.as_u16(), placed.is_replay()), (201, false));
}

/// Two books and a mug for 25.00 EUR, with these changes.
fn order(changes: &Value) -> Attempt {
    let mut body = json!({
        "currency": "EUR",
        "lines": [
            {"sku": "book", "quantity": 2, "unit_price": 900},
            {"sku": "mug", "quantity": 1, "unit_price": 700},
        ],
        "total": 2_500,
    });
    for (name, value) in changes.as_object().unwrap() {
        body[name] = value.clone();
    }
    acme(post("/orders")).json(&body)
}
