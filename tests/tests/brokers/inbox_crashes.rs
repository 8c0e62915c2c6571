//! The worker is killed after a message took effect, before it knows or acknowledges that.

use idem_tests::proxy::Action;

use super::network_faults::NetworkFaults;
use super::shop::{CONSUMERS, Shop, until};

#[tokio::test]
async fn none_of_100_messages_takes_effect_twice_when_workers_die_before_acknowledging() {
    let shop = Shop::open().await;
    let mut all = Vec::new();
    // A broker hands out so many at a time.
    for payments in [0..50, 50..100] {
        let ids = shop.pay(payments).await;
        all.extend(ids.clone());
        let awaited = all.len() * CONSUMERS.len();
        while shop.effects().await.count() < awaited {
            let faults = NetworkFaults::of(&shop).await;
            let more = faults.lose_acknowledgements();
            let goal = awaited.min(shop.effects().await.count() + more);
            let mut victim = faults
                .worker(&["--ack-wait", "1s", "--max-attempts", "1000"])
                .await;
            until("more messages have effects", async || {
                shop.effects().await.count() >= goal
            })
            .await;
            victim.kill().await;
        }
        let worker = shop
            .worker(&["--ack-wait", "1s", "--max-attempts", "1000"])
            .await;
        shop.each_takes_effect_once(&all).await;
        let log = worker.log();
        for id in ids {
            for consumer in CONSUMERS {
                let redelivered = format!("handled before consumer={consumer} id={id}\n");
                assert!(log.contains(&redelivered), "no {redelivered:?} in:\n{log}");
            }
        }
    }
}

#[tokio::test]
async fn a_worker_killed_before_its_commits_are_acknowledged_leaves_each_effect_once() {
    let shop = Shop::open().await;
    let mut all = Vec::new();
    for number in 0..20 {
        let faults = NetworkFaults::of(&shop).await;
        let mut victim = faults
            .worker(&["--ack-wait", "500ms", "--max-attempts", "1000"])
            .await;
        let action = [Action::HoldAnswer, Action::Hold][number % 2];
        let commit = faults.db.on_nth(number / 2 + 1, "commit", action);
        let first = u32::try_from(number).unwrap() * 10;
        all.extend(shop.pay(first..first + 10).await);
        commit.reached().await;
        victim.kill().await;
    }
    let _worker = shop
        .worker(&["--ack-wait", "500ms", "--max-attempts", "1000"])
        .await;
    shop.each_takes_effect_once(&all).await;
}
