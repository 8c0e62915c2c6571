//! Events of payments made over HTTP.

use std::net::SocketAddr;

use idem_tests::http::post;
use idem_tests::process::start_payments;
use serde_json::json;
use tokio::task::JoinSet;

use super::FEATURE;
use super::shop::{CONSUMERS, Shop, until};

#[tokio::test]
async fn a_payment_has_one_event_however_often_it_is_retried_and_a_failed_one_has_none() {
    let shop = Shop::open().await;
    let _worker = shop.worker(&[]).await;
    let app = start_payments(FEATURE, &shop.db.url(), 5).await;
    let mut sent = JoinSet::new();
    for number in 0..60 {
        sent.spawn(retry(
            format!("k{}", number % 20),
            "tok_visa",
            app.address(),
        ));
        if number % 10 == 0 {
            sent.spawn(retry(format!("bad{number}"), "tok_error", app.address()));
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

/// Sends a payment until the response is final, as a client does.
async fn retry(key: String, source: &'static str, address: SocketAddr) {
    let body = json!({"amount": 100, "currency": "EUR", "source": source});
    loop {
        let attempt = post("/payments").header("authorization", "Bearer acme-demo-key");
        let answer = attempt
            .key(&key)
            .json(&body)
            .send_to(address)
            .await
            .unwrap();
        if !matches!(answer.status.as_u16(), 409 | 503) {
            return;
        }
    }
}
