//! The relay dies after it published an event, before it knows that the outbox has deleted it.

use idem_tests::proxy::Action;

use super::network_faults::NetworkFaults;
use super::shop::Shop;

#[tokio::test]
async fn an_event_published_but_not_deleted_is_published_again_without_effect() {
    let shop = Shop::open().await;
    let mut all = Vec::new();
    for number in 0..10 {
        let faults = NetworkFaults::of(&shop).await;
        let action = [Action::Hold, Action::HoldAnswer][usize::try_from(number).unwrap() % 2];
        let delete = faults.db.on("delete from event", action);
        let mut victim = faults.worker(OPTIONS).await;
        all.extend(shop.pay(number * 5..number * 5 + 5).await);
        delete.reached().await;
        victim.kill().await;
    }
    let _worker = shop.worker(OPTIONS).await;
    shop.each_takes_effect_once(&all).await;
}

#[tokio::test]
async fn two_concurrent_relays_let_each_event_take_effect_once() {
    let shop = Shop::open().await;
    let all = shop.pay(0..300).await;
    let _workers = [shop.worker(OPTIONS).await, shop.worker(OPTIONS).await];
    shop.each_takes_effect_once(&all).await;
}

const OPTIONS: &[&str] = &["--ack-wait", "500ms", "--max-attempts", "1000"];
