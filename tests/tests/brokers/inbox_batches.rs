//! Batches with duplicates and failing messages.

use super::REFUSE;
use super::shop::{Shop, until};

#[tokio::test]
async fn duplicates_within_and_before_a_batch_take_effect_once() {
    let shop = Shop::open().await;
    let mut worker = shop.worker(&["--batch", "50"]).await;
    let mut all = shop.pay(0..3).await;
    shop.is_drained(&all).await;
    worker.terminate();
    assert!(worker.exit_status().await.success());
    all.extend(shop.pay(3..10).await);
    for payment in (0..10).chain(0..10) {
        shop.redeliver(payment).await;
    }
    let _worker = shop.worker(&["--batch", "50"]).await;
    shop.each_takes_effect_once(&all).await;
}

#[tokio::test]
async fn a_poison_message_does_not_fail_its_batch() {
    let shop = Shop::open().await;
    let [refuse, _] = REFUSE;
    sqlx::raw_sql(refuse).execute(&shop.pool).await.unwrap();
    let all = shop.pay(0..30).await;
    let _worker = shop.worker(&["--batch", "50", "--max-attempts", "2"]).await;
    until("all others have effects", async || {
        shop.effects().await.count() == 59
    })
    .await;
    until("it is a dead letter", async || {
        let letters = shop.command(&["dead-letters"]).await.unwrap();
        letters.starts_with("ledger m13 2 ")
    })
    .await;
    let effects = shop.effects().await;
    for id in all.iter().filter(|id| *id != "m13") {
        assert_eq!(effects.of(id), (2, 1), "{id}");
    }
    assert_eq!(effects.of("m13"), (0, 1));
}
