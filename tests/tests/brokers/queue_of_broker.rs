//! The queues of a broker.

use super::shop::Shop;

pub async fn publish(shop: &Shop, id: &str, payload: &str) {
    shop.broker.publish(id, payload).await;
}

pub async fn left(shop: &Shop, consumer: &str) -> u64 {
    shop.broker.left(consumer).await
}
