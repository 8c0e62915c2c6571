//! A message is redelivered while its first worker still handles it.

use idem_tests::proxy::Action;

use super::network_faults::NetworkFaults;
use super::shop::{Shop, until};

#[tokio::test]
async fn a_message_redelivered_while_its_first_worker_handles_it_takes_effect_once() {
    let shop = Shop::open().await;
    let faults = NetworkFaults::of(&shop).await;
    let insert = faults.db.on("insert into ledger_entry", Action::Hold);
    let first = faults.worker(&["--ack-wait", "500ms"]).await;
    let ids = shop.pay([1]).await;
    insert.reached().await;
    faults.lose_broker();
    let second = shop.worker(&["--ack-wait", "500ms"]).await;
    until("the second is told that the first handles it", async || {
        second
            .log()
            .contains("handled by another just now consumer=ledger id=m1\n")
    })
    .await;
    assert_eq!(shop.effects().await.of("m1"), (0, 1));
    insert.resume();
    shop.each_takes_effect_once(&ids).await;
    assert!(
        first.log().contains("handled consumer=ledger id=m1\n"),
        "{}",
        first.log()
    );
}

#[tokio::test]
async fn a_message_whose_worker_dies_while_handling_it_is_handled_by_the_next() {
    let shop = Shop::open().await;
    let faults = NetworkFaults::of(&shop).await;
    let insert = faults.db.on("insert into ledger_entry", Action::Hold);
    let mut first = faults.worker(&["--ack-wait", "500ms"]).await;
    let ids = shop.pay([1]).await;
    insert.reached().await;
    let _second = shop.worker(&["--ack-wait", "500ms"]).await;
    first.kill().await;
    drop(faults);
    shop.each_takes_effect_once(&ids).await;
}
