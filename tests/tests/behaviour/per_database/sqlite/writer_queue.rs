//! SQLite admits one writer at a time; Idem queues its writers, and nobody else waits.

use std::str::FromStr;
use std::time::Duration;

use idem_axum::engine::{Claim, Completion, Effects, Engine, Error};
use idem_tests::http::get;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{Connection, Pool, SqliteConnection};

use super::faults::cancellation::{Cut, attempt, fresh, pay, pay_and_complete};
use super::support::app::{has_paid, payment, problem};
use super::support::scripted_app::{Node, all, send};
use super::{Db, TestDb};

#[tokio::test]
async fn attempts_of_different_keys_run_in_order_of_arrival() {
    let (db, node) = start().await;
    let app = node.app();
    let first = send(&app, payment("/wait").key("0").header("x-then", "gate"));
    node.at_gate().await;
    let mut queued = Vec::new();
    for key in 1..20 {
        queued.push(send(&app, payment("/wait").key(&key.to_string())));
        node.busy_with(key + 1).await;
    }
    // They look for their record first, one after the other on the connection that is left.
    // The read comes after them, so by then all of them stand in the queue.
    assert_eq!(get("/read").send(&app).await.status, 200);
    node.open_gate();
    assert!(has_paid(&first.await.unwrap()));
    // None of them met the lock, though the connections would not have waited for it.
    for answer in all(queued).await {
        assert!(has_paid(&answer), "{answer:?}");
    }
    let order = sqlx::query_scalar("select reference from payment order by id");
    let order: Vec<String> = order.fetch_all(&db.pool_of(1).await).await.unwrap();
    assert_eq!(
        order,
        (0..20).map(|key| key.to_string()).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn a_running_writer_blocks_neither_replays_nor_reads() {
    let (_db, node) = start().await;
    let app = node.app();
    assert!(has_paid(&payment("/reject").key("done").send(&app).await));
    let first = send(&app, payment("/wait").key("k").header("x-then", "gate"));
    node.at_gate().await;
    let next = send(&app, payment("/wait").key("next"));
    node.busy_with(2).await;
    assert!(payment("/reject").key("done").send(&app).await.is_replay());
    assert_eq!(get("/read").send(&app).await.status, 200);
    node.open_gate();
    assert!(has_paid(&first.await.unwrap()) && has_paid(&next.await.unwrap()));
}

#[tokio::test]
async fn waiting_in_the_writer_queue_counts_towards_the_attempts_timeout() {
    let (db, node) = start().await;
    let app = node.app();
    let first = send(&app, payment("/wait").key("k").header("x-then", "gate"));
    node.at_gate().await;
    let refused = payment("/brief").key("late").send(&app).await;
    assert_eq!(problem(&refused), (503, "timeout".to_owned()));
    assert!(refused.header("retry-after").is_some());
    node.open_gate();
    assert!(has_paid(&first.await.unwrap()));
    assert_eq!((node.runs(), db.payments().await), (1, 1));
    assert!(has_paid(&payment("/wait").key("late").send(&app).await));
}

#[tokio::test]
async fn nothing_runs_while_another_process_holds_the_write_lock() {
    let (db, node) = start().await;
    let mut other = hold_lock(&db).await;
    let refused = payment("/wait").key("k").send(&node.app()).await;
    assert_eq!(problem(&refused), (503, "try-again".to_owned()));
    assert!(refused.header("retry-after").is_some());
    assert_eq!((node.runs(), db.payments().await), (0, 0));
    sqlx::raw_sql("commit").execute(&mut other).await.unwrap();
    assert!(has_paid(&payment("/wait").key("k").send(&node.app()).await));
}

#[tokio::test]
async fn waiting_for_a_foreign_write_lock_counts_towards_the_attempts_timeout() {
    let (db, _) = start().await;
    // The connections would wait for longer than the attempt may take.
    let node = Node::on(pool(&db, Duration::from_secs(60)).await);
    let mut other = hold_lock(&db).await;
    let refused = payment("/brief").key("k").send(&node.app()).await;
    assert_eq!(problem(&refused), (503, "timeout".to_owned()));
    assert_eq!((node.runs(), db.payments().await), (0, 0));
    sqlx::raw_sql("commit").execute(&mut other).await.unwrap();
    assert!(has_paid(&payment("/wait").key("k").send(&node.app()).await));
    assert_eq!((node.runs(), db.payments().await), (1, 1));
}

#[tokio::test]
async fn the_writer_after_a_dropped_one_does_not_meet_its_lock() {
    let (db, node) = start().await;
    for key in 0..5 {
        let mut dropped = fresh(&node.idem, &format!("dropped-{key}")).await;
        pay(&mut dropped).await;
        let busy = sqlx::query(COUNT_FOR_A_MOMENT);
        let at_once = Cut {
            polls: 1,
            woken: false,
        };
        let over = at_once.off(busy.execute(&mut *dropped.tx())).await;
        assert!(over.is_none());
        drop(dropped);
        pay_and_complete(fresh(&node.idem, &key.to_string()).await).await;
    }
    assert_eq!(db.payments().await, 5);
}

#[tokio::test]
async fn a_handler_that_leaves_its_own_write_lock_is_not_run_again() {
    let (db, node) = start().await;
    for key in 0..5 {
        let key = key.to_string();
        let mut broken = fresh(&node.idem, &key).await;
        let end = sqlx::raw_sql("rollback; begin immediate");
        end.execute(&mut *broken.tx()).await.unwrap();
        pay(&mut broken).await;
        let complete = broken.complete(Completion::default(), Effects::Keep, Completion::default);
        let ended = complete.await;
        assert!(matches!(ended, Err(Error::TransactionBroken)), "{ended:?}");
        let retry = node.idem.claim(attempt(&key)).await.unwrap();
        assert!(matches!(retry, Claim::Replay(_)), "{retry:?}");
    }
    assert_eq!(db.payments().await, 0);
}

#[tokio::test]
async fn a_sweep_waits_in_the_writer_queue() {
    let (_db, node) = start().await;
    let app = node.app();
    assert!(has_paid(&payment("/wait").key("old").send(&app).await));
    super::age_records(node.idem.pool()).await;
    let first = send(&app, payment("/wait").key("k").header("x-then", "gate"));
    node.at_gate().await;
    let sweep = tokio::spawn({
        let idem = node.idem.clone();
        async move { idem.sweep().await }
    });
    // A read that comes back shows that the sweep has had its chance to meet the lock.
    assert_eq!(get("/read").send(&app).await.status, 200);
    node.open_gate();
    assert!(has_paid(&first.await.unwrap()));
    assert_eq!(sweep.await.unwrap().unwrap(), 1);
    assert!(payment("/wait").key("k").send(&app).await.is_replay());
}

/// A node whose connections never wait for a lock.
async fn start() -> (TestDb, Node) {
    let db = TestDb::new().await;
    let first = Node::start(&db).await;
    // The last connection to be closed locks the file for a moment.
    first.idem.pool().close().await;
    let node = Node::on(pool(&db, Duration::ZERO).await);
    (db, node)
}

async fn pool(db: &TestDb, busy_timeout: Duration) -> Pool<Db> {
    let options = SqliteConnectOptions::from_str(&db.url()).unwrap();
    let pool = SqlitePoolOptions::new().max_connections(2);
    pool.connect_with(options.busy_timeout(busy_timeout))
        .await
        .unwrap()
}

async fn hold_lock(db: &TestDb) -> SqliteConnection {
    let mut other = SqliteConnection::connect(&db.url()).await.unwrap();
    let begin = sqlx::raw_sql("begin immediate");
    begin.execute(&mut other).await.unwrap();
    other
}

/// Runs longer than the next attempt takes to begin, but shorter than it waits for its turn.
const COUNT_FOR_A_MOMENT: &str = "with recursive n(i) as \
    (select 1 union all select i + 1 from n where i < 100000) select max(i) from n";
