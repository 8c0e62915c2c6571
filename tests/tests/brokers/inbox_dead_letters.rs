//! Messages that fail too often become dead letters.

use super::REFUSE;
use super::shop::{Shop, until};

#[tokio::test]
async fn a_message_redriven_after_its_cause_is_fixed_takes_effect_once() {
    let shop = Shop::open().await;
    let [refuse, accept] = REFUSE;
    sqlx::raw_sql(refuse).execute(&shop.pool).await.unwrap();
    let _worker = shop.worker(&["--max-attempts", "2"]).await;
    let all = shop.pay(10..15).await;
    until("it is a dead letter", async || {
        let letters = shop.command(&["dead-letters"]).await.unwrap();
        letters.starts_with("ledger m13 2 ")
    })
    .await;
    // A copy is not tried any more, and stays with nobody.
    shop.redeliver(13).await;
    let others: Vec<_> = all.iter().filter(|id| *id != "m13").cloned().collect();
    shop.is_drained(&others).await;
    assert_eq!(shop.effects().await.of("m13"), (0, 1));

    sqlx::raw_sql(accept).execute(&shop.pool).await.unwrap();
    shop.command(&["redrive", "ledger", "m13"]).await.unwrap();
    shop.each_takes_effect_once(&all).await;
    assert_eq!(shop.command(&["dead-letters"]).await.unwrap(), "");

    shop.command(&["redrive", "ledger", "m13"])
        .await
        .unwrap_err();
    shop.redeliver(13).await;
    shop.each_takes_effect_once(&all).await;
}

#[tokio::test]
async fn a_redriven_message_that_fails_again_is_a_dead_letter_again() {
    let shop = Shop::open().await;
    let [refuse, _] = REFUSE;
    sqlx::raw_sql(refuse).execute(&shop.pool).await.unwrap();
    let worker = shop.worker(&["--max-attempts", "2"]).await;
    shop.pay([13]).await;
    let parked = "is_parked=true";
    for times in 1..=2 {
        until("it is parked", async || {
            worker.log().matches(parked).count() == times
        })
        .await;
        let letters = shop.command(&["dead-letters"]).await.unwrap();
        assert!(letters.starts_with("ledger m13 2 "), "{letters}");
        if times == 1 {
            shop.command(&["redrive", "ledger", "m13"]).await.unwrap();
        }
    }
}

#[tokio::test]
async fn an_unreadable_message_is_a_dead_letter_of_every_consumer() {
    let shop = Shop::open().await;
    let _worker = shop.worker(&["--max-attempts", "2"]).await;
    shop.publish("unreadable", "no event").await;
    until("both have given up", async || {
        let letters = shop.command(&["dead-letters"]).await.unwrap();
        let mut lines = letters.lines();
        lines
            .next()
            .is_some_and(|line| line.starts_with("ledger unreadable 2 "))
            && lines
                .next()
                .is_some_and(|line| line.starts_with("receipts unreadable 2 "))
    })
    .await;
    shop.each_takes_effect_once(&[]).await;
}
