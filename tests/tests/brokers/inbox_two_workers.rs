//! Two workers consume from the same queues.

use super::shop::{Shop, until};

#[tokio::test]
async fn two_workers_on_the_same_queues_handle_each_message_once() {
    let shop = Shop::open().await;
    let workers = [shop.worker(&[]).await, shop.worker(&[]).await];
    let mut all = Vec::new();
    let mut payments = (0..).step_by(50);
    // Which of them is handed what is up to the broker.
    until("both have handled messages", async || {
        let next = payments.next().unwrap();
        all.extend(shop.pay(next..next + 50).await);
        shop.is_drained(&all).await;
        workers
            .iter()
            .all(|worker| worker.log().contains(" handled consumer"))
    })
    .await;
    shop.each_takes_effect_once(&all).await;
}
