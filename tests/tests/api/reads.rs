//! Validation: text that a database can store, and the bounds of lists.

use idem_tests::http::{get, post};
use serde_json::{Value, json};

use super::app::{App, acme, is_problem, payment};

#[tokio::test]
async fn text_with_a_nul_is_refused_wherever_it_is_stored_or_compared() {
    let app = App::start().await;
    let paid = payment(&json!({"reference": "a\0b"})).key("k");
    for attempt in [paid, acme(get("/payments?reference=a%00b"))] {
        let refused = app.send(&attempt).await;
        assert!(is_problem(&refused, 400), "{refused:?}");
        let detail = refused.json::<Value>()["detail"].to_string();
        assert!(detail.contains("reference: leave out the NUL"), "{detail}");
    }
    assert_eq!(app.payments("").await, [Value::Null; 0]);
    // Nowhere else is a text of a client's kept, and nothing of it fails.
    let source = payment(&json!({"source": "tok\0"})).key("k");
    assert_eq!(app.send(&source).await.status, 201);
    assert_eq!(app.get("/payments/1%00").await.status, 400);
    let other = acme(post("/payments?note=%00")).json(&json!({"amount": 1, "currency": "EUR"}));
    assert_eq!(app.send(&other.key("other")).await.status, 201);
}

#[tokio::test]
async fn an_id_that_is_no_number_is_a_problem() {
    let app = App::start().await;
    for id in ["x", "1.5", "9223372036854775808", "1%00"] {
        let refund = acme(post(format!("/payments/{id}/refunds"))).json(&json!({"amount": 1}));
        let refused = app.send(&refund.key("k")).await;
        let unread = app.get(&format!("/payments/{id}")).await;
        assert!(is_problem(&refused, 400), "{id} {refused:?}");
        assert!(is_problem(&unread, 400), "{id} {unread:?}");
    }
}

#[tokio::test]
async fn a_list_limit_is_validated_and_capped() {
    let app = App::start().await;
    for key in ["a", "b"] {
        app.pay(key).await;
    }
    for limit in ["1000", "1001", "4294967296", "99999999999999999999999"] {
        let payments = app.payments(&format!("?limit={limit}")).await;
        assert_eq!(payments.len(), 2, "{limit}");
    }
    assert_eq!(app.payments("?limit=0").await.len(), 0);
    for bad in ["-1", "many", "1.5", ""] {
        let refused = app.get(&format!("/payments?limit={bad}")).await;
        assert!(is_problem(&refused, 400), "{bad} {refused:?}");
        let detail = refused.json::<Value>()["detail"].to_string();
        assert!(
            detail.contains("limit: a whole number up to 1000"),
            "{detail}"
        );
    }
}

#[tokio::test]
async fn a_list_returns_at_most_1000_payments() {
    let app = App::start().await;
    app.pay("k").await;
    let pool = app.pool().await;
    for _ in 0..10 {
        let double = "insert into payment (tenant, amount, currency, status) \
            select tenant, amount, currency, status from payment";
        sqlx::query(double).execute(&pool).await.unwrap();
    }
    assert_eq!(app.payments("").await.len(), 100);
    for limit in ["1000", "1001", "4294967295"] {
        let payments = app.payments(&format!("?limit={limit}")).await;
        assert_eq!(payments.len(), 1000, "{limit}");
    }
}
