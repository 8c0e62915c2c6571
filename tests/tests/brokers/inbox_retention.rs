//! Messages that are redelivered after their retention.

use super::age_records;
use super::shop::{Shop, until};

#[tokio::test]
async fn a_message_redelivered_after_its_retention_takes_effect_again() {
    let shop = Shop::open().await;
    let mut worker = shop.worker(&[]).await;
    let ids = shop.pay([1]).await;
    shop.is_drained(&ids).await;
    shop.redeliver(1).await;
    shop.each_takes_effect_once(&ids).await;

    worker.terminate();
    assert!(worker.exit_status().await.success());
    age_records(&shop.pool).await;
    shop.redeliver(1).await;
    let _worker = shop.worker(&[]).await;
    // Why the retention must be longer than the broker's longest way of a redelivery.
    until("it has had its effects twice", async || {
        shop.effects().await.of("m1") == (4, 2)
    })
    .await;
    shop.redeliver(1).await;
    shop.is_drained(&ids).await;
    assert_eq!(shop.effects().await.of("m1"), (4, 2));
}
