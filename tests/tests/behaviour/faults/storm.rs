//! Many duplicates arrive while the first attempt is slow: other users of the pool are served.

use idem_tests::http::get;

use super::support::app::{has_paid, payment, problem};
use super::support::scripted_app::{Node, all, send};
use super::{ONE_WRITER, TestDb};

#[tokio::test]
async fn waiting_duplicates_leave_the_pool_to_other_routes_and_keys() {
    let (db, node) = start().await;
    let app = node.app();
    let first = send(&app, payment("/wait").key("k").header("x-then", "gate"));
    node.at_gate().await;
    let waiting = (0..199).map(|_| send(&app, payment("/wait").key("k")));
    let waiting = waiting.collect();
    node.busy_with(200).await;
    others_are_served(&node).await;
    node.open_gate();
    let first = first.await.unwrap();
    assert!(has_paid(&first), "{first:?}");
    for answer in all(waiting).await {
        assert!(answer.is_replay(), "{answer:?}");
        assert_eq!(answer.body, first.body);
    }
    assert_eq!(paid_once(&db).await, 1);
}

#[tokio::test]
async fn refused_duplicates_leave_the_pool_to_other_routes_and_keys() {
    let (db, node) = start().await;
    let app = node.app();
    let first = send(&app, payment("/reject").key("k").header("x-then", "gate"));
    node.at_gate().await;
    let refused = (0..199).map(|_| send(&app, payment("/reject").key("k")));
    let refused = refused.collect();
    others_are_served(&node).await;
    // The gate opens after the last of them is answered: none has waited for it.
    for answer in all(refused).await {
        assert_eq!(problem(&answer), (409, "in-flight".to_owned()));
        assert!(answer.header("retry-after").is_some());
    }
    node.open_gate();
    assert!(has_paid(&first.await.unwrap()));
    assert_eq!(paid_once(&db).await, 1);
}

/// Reads, replays and, where several writers are possible, first attempts of other keys succeed.
async fn others_are_served(node: &Node) {
    let app = node.app();
    let reads = (0..20).map(|_| send(&app, get("/read")));
    for read in all(reads.collect()).await {
        assert_eq!(read.status, 200, "{read:?}");
    }
    let replay = payment("/reject").key("done").send(&app).await;
    assert!(replay.is_replay(), "{replay:?}");
    // One writer waits for the first attempt with its own.
    let firsts = if ONE_WRITER { 0 } else { 20 };
    let others = (0..firsts).map(|key| send(&app, payment("/reject").key(&key.to_string())));
    for other in all(others.collect()).await {
        assert!(has_paid(&other), "{other:?}");
    }
}

/// A node with five connections, and a completed payment.
async fn start() -> (TestDb, Node) {
    let db = TestDb::new().await;
    let node = Node::start(&db).await;
    assert!(has_paid(
        &payment("/reject").key("done").send(&node.app()).await
    ));
    (db, node)
}

/// The payments of the storm's key.
async fn paid_once(db: &TestDb) -> i64 {
    let paid = sqlx::query_scalar("select count(*) from payment where reference = 'k'");
    paid.fetch_one(&db.pool_of(1).await).await.unwrap()
}
