//! Duplicates that wait on the first attempt's node: which of them runs, what the others get.

use std::time::Duration;

use idem_tests::a_moment;

use super::support::app::{has_paid, payment, problem};
use super::support::scripted_app::{Node, all, send};
use super::{TestDb, idem_on};

#[tokio::test]
async fn one_waiter_runs_when_the_first_attempt_fails_and_the_others_replay_it() {
    one_waiter_runs("gate 409", 409).await;
}

#[tokio::test]
async fn one_waiter_runs_when_the_first_attempt_panics_and_the_others_replay_it() {
    one_waiter_runs("gate panic", 500).await;
}

async fn one_waiter_runs(then: &str, status: u16) {
    let (db, node) = start().await;
    let app = node.app();
    let first = send(&app, payment("/wait").key("k").header("x-then", then));
    node.at_gate().await;
    let waiting: Vec<_> = (0..5)
        .map(|_| send(&app, payment("/wait").key("k")))
        .collect();
    node.busy_with(6).await;
    node.open_gate();
    assert_eq!(first.await.unwrap().status, status);
    let answers = all(waiting).await;
    assert_eq!(answers.iter().filter(|answer| has_paid(answer)).count(), 1);
    for answer in &answers {
        assert_eq!(answer.status, 201, "{answer:?}");
        assert_eq!(answer.body, answers[0].body);
    }
    assert_eq!((node.runs(), db.payments().await), (2, 1));
}

#[tokio::test]
async fn one_waiter_runs_when_the_first_attempt_times_out_and_the_others_replay_it() {
    let (db, node) = start().await;
    let app = node.app();
    let first = payment("/brief").key("k").header("x-then", "hang");
    let first = send(&app, first);
    node.busy_with(1).await;
    let waiting = (0..5).map(|_| send(&app, payment("/wait").key("k")));
    let waiting = waiting.collect();
    assert_eq!(problem(&first.await.unwrap()), (503, "timeout".to_owned()));
    let answers = all(waiting).await;
    assert_eq!(answers.iter().filter(|answer| has_paid(answer)).count(), 1);
    assert!(answers.iter().all(|answer| answer.status == 201));
    assert_eq!(db.payments().await, 1);
}

#[tokio::test]
async fn waiters_run_in_order_until_one_succeeds() {
    let (db, node) = start().await;
    let app = node.app();
    let failing = |then| payment("/wait").key("k").header("x-then", then);
    let first = send(&app, failing("gate 409"));
    node.at_gate().await;
    let mut waiting = Vec::new();
    for (before, then) in ["409", "panic", "", ""].into_iter().enumerate() {
        waiting.push(send(&app, failing(then)));
        node.busy_with(before + 2).await;
    }
    node.open_gate();
    assert_eq!(first.await.unwrap().status, 409);
    let answers = all(waiting).await;
    let told = answers
        .iter()
        .map(|answer| (answer.status.as_u16(), answer.is_replay()));
    let told: Vec<_> = told.collect();
    assert_eq!(
        told,
        [(409, false), (500, false), (201, false), (201, true)]
    );
    assert_eq!((node.runs(), db.payments().await), (4, 1));
}

#[tokio::test]
async fn a_waiter_whose_wait_ends_gets_409_and_does_not_run() {
    gives_up("/impatient", (409, "in-flight")).await;
}

#[tokio::test]
async fn a_waiter_that_times_out_gets_503_and_does_not_run() {
    gives_up("/brief", (503, "timeout")).await;
}

async fn gives_up(path: &str, told: (u16, &str)) {
    let (db, node) = start().await;
    let app = node.app();
    // The first fails, so that whoever still waited would run.
    let first = payment("/wait").key("k").header("x-then", "gate 409");
    let first = send(&app, first);
    node.at_gate().await;
    let refused = payment(path).key("k").send(&app).await;
    assert_eq!(problem(&refused), (told.0, told.1.to_owned()));
    assert!(refused.header("retry-after").is_some());
    node.open_gate();
    assert_eq!(first.await.unwrap().status, 409);
    node.busy_with(0).await;
    assert_eq!((node.runs(), db.payments().await), (1, 0));
    assert!(has_paid(&payment("/wait").key("k").send(&app).await));
}

#[tokio::test]
async fn a_different_request_gets_422_at_once_and_does_not_wait() {
    let (db, node) = start().await;
    let app = node.app();
    let pay = payment("/wait").key("k");
    let first = send(&app, pay.clone().header("x-then", "gate"));
    node.at_gate().await;
    let other = pay.body(r#"{"amount":6}"#).send(&app).await;
    assert_eq!(problem(&other), (422, "key-reused".to_owned()));
    node.open_gate();
    assert!(has_paid(&first.await.unwrap()));
    assert_eq!((node.runs(), db.payments().await), (1, 1));
}

#[tokio::test]
async fn a_retry_is_replayed_while_a_different_request_with_its_key_is_claiming() {
    let db = TestDb::new().await;
    let node = Node::on(db.pool_of(1).await);
    node.idem.migrate().await.unwrap();
    let app = node.app();
    let pay = payment("/wait").key("k");
    assert!(has_paid(&pay.send(&app).await));
    let connection = node.idem.pool().acquire().await.unwrap();
    let other = send(&app, pay.clone().body(r#"{"amount":6}"#));
    node.busy_with(1).await;
    let retry = send(&app, pay);
    let hasty = send(&app, payment("/reject").key("k"));
    while node.idem.running() != 3 {
        assert!(
            !retry.is_finished() && !hasty.is_finished(),
            "told too early"
        );
        a_moment().await;
    }
    drop(connection);
    let other = other.await.unwrap();
    assert_eq!(problem(&other), (422, "key-reused".to_owned()));
    assert!(retry.await.unwrap().is_replay());
    // One that does not wait may be told to come again, and nothing that is wrong.
    let hasty = hasty.await.unwrap();
    assert!(hasty.is_replay() || hasty.status == 409, "{hasty:?}");
    assert_eq!((node.runs(), db.payments().await), (1, 1));
}

#[tokio::test]
async fn a_duplicate_that_does_not_wait_gets_409_while_another_is_claiming() {
    let db = TestDb::new().await;
    let pool = db.pool_of(1).await;
    let engine = idem_on(pool).acquire_timeout(Duration::from_secs(60));
    let node = Node::with(engine.build());
    node.idem.migrate().await.unwrap();
    let app = node.app();
    let connection = node.idem.pool().acquire().await.unwrap();
    let asking = send(&app, payment("/wait").key("k"));
    node.busy_with(1).await;
    let refused = payment("/reject").key("k").send(&app).await;
    assert_eq!(problem(&refused), (409, "in-flight".to_owned()));
    drop(connection);
    assert!(has_paid(&asking.await.unwrap()));
}

async fn start() -> (TestDb, Node) {
    let db = TestDb::new().await;
    let node = Node::start(&db).await;
    (db, node)
}
