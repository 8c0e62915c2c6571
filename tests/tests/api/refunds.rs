//! Refunds never exceed the payment, even when many run at once.

use idem_tests::http::{Attempt, post};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::app::{App, acme, globex, is_problem};

#[tokio::test]
async fn a_refund_is_paid_once() {
    let app = App::start().await;
    let refund = acme(refund(&app.pay("p").await, 60)).key("k");
    let first = app.send(&refund).await;
    assert_eq!((first.status.as_u16(), first.is_replay()), (201, false));
    assert_eq!(first.json::<Value>()["amount"], 60);
    let retry = app.send(&refund).await;
    assert!(retry.is_replay() && retry.body == first.body, "{retry:?}");
}

#[tokio::test]
async fn refunds_do_not_exceed_the_payment() {
    let app = App::start().await;
    let path = app.pay("p").await;
    let mut sent = JoinSet::new();
    for key in 0..10 {
        let refund = acme(refund(&path, 30)).key(&key.to_string());
        let address = app.address();
        sent.spawn(async move { refund.send_to(address).await.unwrap() });
    }
    let answers = sent.join_all().await;
    let paid = answers.iter().filter(|answer| answer.status == 201);
    assert_eq!(paid.count(), 3);
    for refused in answers.iter().filter(|answer| answer.status != 201) {
        assert!(is_problem(refused, 409), "{refused:?}");
    }
    let rest = acme(refund(&path, 10)).key("rest");
    assert_eq!(app.send(&rest).await.status, 201);
}

#[tokio::test]
async fn an_invalid_refund_is_refused() {
    let app = App::start().await;
    let path = app.pay("p").await;
    let nothing = app.send(&acme(refund(&path, 0)).key("k")).await;
    assert!(is_problem(&nothing, 400), "{nothing:?}");
    let too_much = app.send(&acme(refund(&path, 101)).key("k")).await;
    assert!(is_problem(&too_much, 409), "{too_much:?}");
    let list = acme(post(format!("{path}/refunds"))).json(&json!([60]));
    let no_object = app.send(&list.key("k")).await;
    assert!(is_problem(&no_object, 400), "{no_object:?}");
    let of_none = app.send(&acme(refund("/payments/0", 1)).key("k")).await;
    assert!(is_problem(&of_none, 404), "{of_none:?}");
    let of_another = app.send(&globex(refund(&path, 1)).key("k")).await;
    assert!(is_problem(&of_another, 404), "{of_another:?}");
}

fn refund(payment: &str, amount: i64) -> Attempt {
    post(format!("{payment}/refunds")).json(&json!({ "amount": amount }))
}
