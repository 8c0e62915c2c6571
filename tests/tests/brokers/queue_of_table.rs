//! The queues in the worker's own database.

use sqlx::QueryBuilder;

use super::Db;
use super::shop::{CONSUMERS, Shop};

pub async fn publish(shop: &Shop, id: &str, payload: &str) {
    QueryBuilder::<Db>::new("insert into queue_message (consumer, message_id, payload) ")
        .push_values(CONSUMERS, |mut row, consumer| {
            row.push_bind(consumer)
                .push_bind(id)
                .push_bind(payload.as_bytes());
        })
        .build()
        .execute(&shop.pool)
        .await
        .unwrap();
}

pub async fn left(shop: &Shop, consumer: &str) -> i64 {
    QueryBuilder::<Db>::new("select count(*) from queue_message where consumer = ")
        .push_bind(consumer)
        .build_query_scalar()
        .fetch_one(&shop.pool)
        .await
        .unwrap()
}
