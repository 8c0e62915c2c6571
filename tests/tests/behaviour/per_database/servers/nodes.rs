//! Duplicates wait for an attempt of another node. On SQLite they queue for the single writer.

use idem_tests::http::Answer;
use idem_tests::proxy::{Action, Proxy};
use sqlx::Connection;
use tokio::task::JoinHandle;

use super::support::app::{has_paid, payment, problem};
use super::support::scripted_app::{Node, all, send};
use super::{ASKS, TestDb, pool_at};

#[tokio::test]
async fn a_waiter_for_another_node_holds_no_connection_and_replays_its_response() {
    let nodes = Nodes::start("gate").await;
    let waiting = send(&nodes.mine.app(), payment("/wait-plainly").key("k"));
    nodes.has_asked_twice().await;
    // The only connection of this node is free for others.
    let mut only = nodes.mine.idem.pool().acquire().await.unwrap();
    only.ping().await.unwrap();
    drop(only);
    nodes.other.open_gate();
    let first = nodes.first.await.unwrap();
    assert!(has_paid(&first), "{first:?}");
    let answer = waiting.await.unwrap();
    assert!(answer.is_replay(), "{answer:?}");
    assert_eq!(answer.body, first.body);
    assert_eq!((nodes.mine.runs(), nodes.db.payments().await), (0, 1));
}

#[tokio::test]
async fn one_waiter_runs_when_the_attempt_of_another_node_fails() {
    let nodes = Nodes::start("gate 409").await;
    let app = nodes.mine.app();
    let waiting = (0..5).map(|_| send(&app, payment("/wait-plainly").key("k")));
    let waiting = waiting.collect();
    nodes.has_asked_twice().await;
    nodes.mine.busy_with(5).await;
    nodes.other.open_gate();
    assert_eq!(nodes.first.await.unwrap().status, 409);
    let answers = all(waiting).await;
    assert_eq!(answers.iter().filter(|answer| has_paid(answer)).count(), 1);
    assert!(answers.iter().all(|answer| answer.status == 201));
    assert_eq!((nodes.mine.runs(), nodes.db.payments().await), (1, 1));
}

#[tokio::test]
async fn a_waiter_for_another_node_whose_wait_ends_gets_409() {
    gives_up("/impatient", (409, "in-flight")).await;
}

#[tokio::test]
async fn a_duplicate_that_does_not_wait_for_another_node_gets_409() {
    gives_up("/reject", (409, "in-flight")).await;
}

#[tokio::test]
async fn a_waiter_for_another_node_that_times_out_gets_503() {
    gives_up("/brief", (503, "timeout")).await;
}

async fn gives_up(path: &str, told: (u16, &str)) {
    let nodes = Nodes::start("gate").await;
    let refused = payment(path).key("k").send(&nodes.mine.app()).await;
    assert_eq!(problem(&refused), (told.0, told.1.to_owned()));
    assert!(refused.header("retry-after").is_some());
    nodes.other.open_gate();
    assert!(has_paid(&nodes.first.await.unwrap()));
    let retry = payment("/reject").key("k").send(&nodes.mine.app()).await;
    assert!(retry.is_replay(), "{retry:?}");
    assert_eq!((nodes.mine.runs(), nodes.db.payments().await), (0, 1));
}

#[tokio::test]
async fn a_different_request_gets_422_once_the_attempt_of_another_node_is_done() {
    let nodes = Nodes::start("gate").await;
    let other = payment("/wait-plainly").key("k").body(r#"{"amount":6}"#);
    let other = send(&nodes.mine.app(), other);
    nodes.has_asked_twice().await;
    nodes.other.open_gate();
    assert!(has_paid(&nodes.first.await.unwrap()));
    let expected = (422, "key-reused".to_owned());
    assert_eq!(problem(&other.await.unwrap()), expected);
    assert_eq!((nodes.mine.runs(), nodes.db.payments().await), (0, 1));
}

#[tokio::test]
async fn nodes_with_separate_databases_on_one_server_do_not_exclude_each_other() {
    let nodes = Nodes::start("gate").await;
    let db = TestDb::new().await;
    let stranger = Node::start(&db).await;
    let paid = payment("/reject").key("k").send(&stranger.app()).await;
    assert!(has_paid(&paid), "{paid:?}");
    nodes.other.open_gate();
    assert!(has_paid(&nodes.first.await.unwrap()));
}

/// Another node, whose first attempt is at the gate, and a node with a single connection.
struct Nodes {
    db: TestDb,
    other: Node,
    first: JoinHandle<Answer>,
    mine: Node,
    proxy: Proxy,
}

impl Nodes {
    async fn start(then: &str) -> Self {
        let db = TestDb::new().await;
        let other = Node::start(&db).await;
        let first = payment("/wait-plainly").key("k").header("x-then", then);
        let first = send(&other.app(), first);
        other.at_gate().await;
        let proxy = Proxy::to(&db.url()).await;
        let mine = Node::on(pool_at(proxy.url(), 1).await);
        Self {
            db,
            other,
            first,
            mine,
            proxy,
        }
    }

    /// Returns when an attempt of this node has probed for the other's twice.
    async fn has_asked_twice(&self) {
        for _ in 0..2 {
            let ask = self.proxy.on(ASKS, Action::Hold);
            ask.reached().await;
            ask.resume();
        }
    }
}
