//! Each promise that an application builds on, as a test of its own.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use idem_axum::{Idempotency, Inbox, Processed, RolloutMode, Tx};
use tokio::sync::Barrier;

use super::shop::{Shop, Supplier, app, create_order_plain};
use super::start::{Test, start};

#[tokio::test]
async fn a_retry_is_replayed_and_orders_nothing() {
    let test = start("enforce", Supplier::default()).await;
    assert_eq!(test.order("k", "tea").await, (StatusCode::CREATED, false));
    assert_eq!(test.order("k", "tea").await, (StatusCode::CREATED, true));
    assert_eq!(test.items().await, 1);
    // Another request with the same key is a mistake of the client.
    let mismatch = test.order("k", "coffee").await;
    assert_eq!(mismatch, (StatusCode::UNPROCESSABLE_ENTITY, false));
    assert_eq!(test.items().await, 1);
}

#[tokio::test]
async fn an_order_that_fails_leaves_nothing_and_its_retry_runs() {
    let test = start("enforce", Supplier::default()).await;
    for _ in 0..2 {
        let failed = test.order("k", "").await;
        assert_eq!(failed, (StatusCode::UNPROCESSABLE_ENTITY, false));
        assert_eq!(test.items().await, 0);
    }
}

#[tokio::test]
async fn a_duplicate_of_a_running_order_gets_409() {
    let barrier = Arc::new(Barrier::new(2));
    let test = start("enforce", Supplier(Some(barrier.clone()))).await;
    let duplicate = async {
        barrier.wait().await; // The first attempt is in its handler
        let refused = test.order("k", "tea").await;
        barrier.wait().await; // until its duplicate has an answer.
        refused
    };
    let (first, refused) = tokio::join!(test.order("k", "tea"), duplicate);
    assert_eq!(first, (StatusCode::CREATED, false));
    assert_eq!(refused, (StatusCode::CONFLICT, false));
    assert_eq!(test.items().await, 1);
}

#[tokio::test]
async fn an_order_is_replayed_after_its_client_disconnected() {
    let barrier = Arc::new(Barrier::new(2));
    let test = start("enforce", Supplier(Some(barrier.clone()))).await;
    // The client hangs up while the handler runs, which drops the request's future.
    tokio::select! {
        _ = test.order("k", "tea") => unreachable!("the handler waits"),
        _ = barrier.wait() => {}
    }
    barrier.wait().await; // The attempt runs on without its client.
    let limit = Duration::from_secs(5);
    test.shop.idem.shutdown(limit).await.unwrap();
    // The retry reaches another node.
    let idem = Idempotency::new(test.pool.clone());
    let app = app(Shop {
        idem,
        supplier: Supplier::default(),
    });
    let test = Test { app, ..test };
    assert_eq!(test.order("k", "tea").await, (StatusCode::CREATED, true));
    assert_eq!(test.items().await, 1);
}

#[tokio::test]
async fn a_key_is_new_again_once_its_record_has_expired() {
    let test = start("enforce", Supplier::default()).await;
    test.order("k", "tea").await;
    // Only the database's clock decides, so a test ages the row.
    let age = sqlx::query("update idem_record set expires_at = 0");
    age.execute(&test.pool).await.unwrap();
    assert_eq!(test.order("k", "tea").await, (StatusCode::CREATED, false));
    assert_eq!(test.items().await, 2);
}

#[tokio::test]
async fn an_observed_duplicate_orders_again() {
    let test = start("observe", Supplier::default()).await;
    assert_eq!(test.order("k", "tea").await, (StatusCode::CREATED, false));
    assert_eq!(test.order("k", "tea").await, (StatusCode::CREATED, false));
    assert_eq!(test.items().await, 2);
    let rollout = test.shop.idem.rollout();
    rollout.set("POST /orders", RolloutMode::Enforce);
    assert_eq!(test.order("k", "tea").await, (StatusCode::CREATED, true));
}

#[tokio::test]
async fn a_handler_is_called_as_a_function() {
    let test = start("enforce", Supplier::default()).await;
    let mut connection = test.pool.acquire().await.unwrap();
    let tx = Tx::borrowed(&mut *connection);
    let answer = create_order_plain(State(test.shop.clone()), tx, Json("tea".into())).await;
    assert_eq!(answer, Ok(StatusCode::CREATED));
    assert_eq!(test.items().await, 1);
}

#[tokio::test]
async fn a_message_is_handled_once_however_often_it_is_delivered() {
    let test = start("enforce", Supplier::default()).await;
    let inbox = Inbox::new(test.shop.idem.clone());
    let deliver = async || {
        let handle = async |tx: &mut Tx<'_, super::Db>| {
            let insert = sqlx::query("insert into item (name) values ('tea')");
            insert.execute(&mut **tx).await
        };
        inbox.process("stock", "message-1", handle).await.unwrap()
    };
    assert!(matches!(deliver().await, Processed::First(_)));
    assert!(matches!(deliver().await, Processed::Duplicate));
    assert_eq!(test.items().await, 1);
}
