//! The broker is killed and restarted.

use super::Broker;
use super::shop::Shop;

#[tokio::test]
async fn killing_the_broker_loses_and_doubles_no_message_in_transit() {
    let mut shop = Shop::with(Broker::start_alone().await).await;
    let worker = shop.worker(&["--ack-wait", "500ms"]).await;
    let mut all = shop.pay(0..20).await;
    shop.is_drained(&all).await;
    // Some are on their way, and some have been acknowledged, which the broker may forget.
    all.extend(shop.pay(20..60).await);
    super::shop::until("some have effects", async || {
        shop.effects().await.count() > 40
    })
    .await;
    shop.broker.kill().await;
    all.extend(shop.pay(60..80).await);
    shop.broker.restart().await;
    shop.each_takes_effect_once(&all).await;
    drop(worker);
}
