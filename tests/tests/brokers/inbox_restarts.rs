//! The worker restarts again and again while messages wait.

use super::shop::Shop;

#[tokio::test]
async fn ten_worker_restarts_make_no_waiting_message_a_dead_letter() {
    let shop = Shop::open().await;
    let mut all = shop.pay(0..60).await;
    for number in 0..10 {
        let mut worker = shop.worker(&["--ack-wait", "500ms"]).await;
        all.extend(shop.pay(100 + number * 10..110 + number * 10).await);
        match number % 2 {
            0 => worker.kill().await,
            _ => {
                worker.terminate();
                assert!(worker.exit_status().await.success(), "{}", worker.log());
            }
        }
    }
    let _worker = shop.worker(&["--ack-wait", "500ms"]).await;
    shop.each_takes_effect_once(&all).await;
    assert_eq!(shop.command(&["dead-letters"]).await.unwrap(), "");
}
