//! The pool has no free connection: nothing runs, and the client gets a retryable 503.

use std::time::Duration;

use idem_tests::a_moment;

use super::support::app::{has_paid, payment, problem};
use super::support::scripted_app::Node;
use super::{TestDb, idem_on};

#[tokio::test]
async fn an_attempt_that_gets_no_connection_in_time_does_not_run() {
    let (timeout, acquire) = (Duration::from_secs(10), Duration::from_millis(500));
    no_connection(timeout, acquire, "store-unavailable").await;
}

#[tokio::test]
async fn waiting_for_a_connection_counts_towards_the_attempts_timeout() {
    let (timeout, acquire) = (Duration::from_millis(200), Duration::from_secs(60));
    no_connection(timeout, acquire, "timeout").await;
}

async fn no_connection(timeout: Duration, acquire_timeout: Duration, told: &str) {
    let db = TestDb::new().await;
    Node::start(&db).await;
    let engine = idem_on(db.pool_of(1).await)
        .timeout(timeout)
        .acquire_timeout(acquire_timeout);
    let node = Node::with(engine.build());
    let only = node.idem.pool().acquire().await.unwrap();
    let pay = payment("/brief").key("k");
    let refused = pay.send(&node.app()).await;
    assert_eq!(problem(&refused), (503, told.to_owned()));
    assert!(refused.header("retry-after").is_some());
    node.busy_with(0).await;
    assert_eq!((node.runs(), db.payments().await), (0, 0));
    drop(only);
    // sqlx returns a connection to its pool on a task.
    while node.idem.pool().num_idle() == 0 {
        a_moment().await;
    }
    assert!(has_paid(
        &payment("/reject").key("k").send(&node.app()).await
    ));
    assert_eq!((node.runs(), db.payments().await), (1, 1));
}
