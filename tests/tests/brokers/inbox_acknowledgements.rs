//! Acknowledgements are lost on their way to the broker.

use super::network_faults::NetworkFaults;
use super::shop::Shop;

#[tokio::test]
async fn a_message_with_a_lost_acknowledgement_is_redelivered_without_effect() {
    let shop = Shop::open().await;
    let faults = NetworkFaults::of(&shop).await;
    let _worker = faults.worker(&["--ack-wait", "500ms"]).await;
    let mut all = Vec::new();
    for number in 0..10 {
        let cut = faults.cut_acknowledgement();
        all.extend(shop.pay(number * 5..number * 5 + 5).await);
        cut.reached().await;
    }
    shop.each_takes_effect_once(&all).await;
}
