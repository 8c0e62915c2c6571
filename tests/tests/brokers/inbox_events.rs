//! Events of payments that were made over HTTP.

use idem_tests::http::{Attempt, post};
use idem_tests::process::start_payments;
use serde_json::json;
use tokio::task::JoinSet;

use super::FEATURE;
use super::shop::{CONSUMERS, Shop, until};

#[tokio::test]
async fn a_payment_has_one_event_however_often_it_is_sent_and_one_that_fails_has_none() {
    let shop = Shop::open().await;
    let _worker = shop.worker(&[]).await;
    let app = start_payments(FEATURE, &shop.db.url(), 5).await;
    let mut sent = JoinSet::new();
    for number in 0..60 {
        let pay = pay(&format!("k{}", number % 20), "tok_visa");
        let fail = pay_badly(number);
        for attempt in [Some(pay), fail].into_iter().flatten() {
            let address = app.address();
            sent.spawn(async move { attempt.send_to(address).await.unwrap() });
        }
    }
    sent.join_all().await;
    let payments = shop.count("select count(*) from payment").await;
    assert_eq!(payments, 20);
    let awaited = 20 * CONSUMERS.len();
    until("all have effects", async || {
        shop.effects().await.count() >= awaited
    })
    .await;
    let ids = shop.effects().await.ids();
    assert_eq!(ids.len(), 20);
    shop.each_takes_effect_once(&ids).await;
}

fn pay(key: &str, source: &str) -> Attempt {
    let body = json!({"amount": 100, "currency": "EUR", "source": source});
    post("/payments")
        .header("authorization", "Bearer acme-demo-key")
        .key(key)
        .json(&body)
}

fn pay_badly(number: usize) -> Option<Attempt> {
    number
        .is_multiple_of(10)
        .then(|| pay(&format!("bad{number}"), "tok_error"))
}
