//! The pool has no connection to give: nothing runs, and the client is told to come again.

use std::time::Duration;

use idem_axum::Idempotency;

use super::TestDb;
use super::app::{payment, problem};
use super::told::{Node, ran};

#[tokio::test]
async fn an_attempt_that_gets_no_connection_in_time_does_not_run() {
    no_connection("/reject", Duration::from_millis(50), "store-unavailable").await;
}

#[tokio::test]
async fn waiting_for_a_connection_counts_as_time_of_the_attempt() {
    no_connection("/brief", Duration::from_secs(60), "timeout").await;
}

async fn no_connection(path: &str, acquire_timeout: Duration, told: &str) {
    let db = TestDb::new().await;
    Node::start(&db).await;
    let engine = Idempotency::builder(db.pool_of(1).await)
        .timeout(Duration::from_millis(200))
        .acquire_timeout(acquire_timeout);
    let node = Node::with(engine.build());
    let only = node.idem.pool().acquire().await.unwrap();
    let pay = payment(path).key("k");
    let refused = pay.send(&node.app()).await;
    assert_eq!(problem(&refused), (503, told.to_owned()));
    assert!(refused.header("retry-after").is_some());
    node.busy_with(0).await;
    assert_eq!((node.runs(), db.payments().await), (0, 0));
    drop(only);
    assert!(ran(&payment("/reject").key("k").send(&node.app()).await));
    assert_eq!((node.runs(), db.payments().await), (1, 1));
}
