//! What is asked for: text that a database keeps, and no more than a list has.

use idem_tests::http::{get, post};
use serde_json::{Value, json};

use super::app::{App, acme, is_problem, payment};

#[tokio::test]
async fn a_nul_is_refused_with_the_cure_wherever_text_is_kept_or_compared() {
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
async fn a_list_has_a_bound() {
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
async fn a_list_is_no_longer_than_its_bound() {
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
