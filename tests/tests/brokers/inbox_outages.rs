//! The database goes away and comes back.

use idem_tests::proxy::Action;

use super::network_faults::NetworkFaults;
use super::shop::Shop;

#[tokio::test]
async fn a_database_outage_loses_no_message() {
    let shop = Shop::open().await;
    let faults = NetworkFaults::of(&shop).await;
    let _worker = faults.worker(&["--ack-wait", "500ms"]).await;
    let mut all = Vec::new();
    for number in 0..3 {
        let commit = faults.db.on_nth(2, "commit", Action::CutAnswer);
        all.extend(shop.pay(number * 10..number * 10 + 10).await);
        commit.reached().await;
        faults.db.go_down();
        all.extend(shop.pay(number * 10 + 100..number * 10 + 110).await);
        faults.db.come_up();
    }
    shop.each_takes_effect_once(&all).await;
}
