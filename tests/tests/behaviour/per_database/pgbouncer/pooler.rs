//! Everything Idem does, at once, through a pooler with fewer connections than clients.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use idem_axum::Idempotency;
use sqlx::Connection;
use tokio::task::JoinSet;

use super::pooler_work::{
    handle_messages, look_at_records, move_the_rollout, observe, park_and_re_drive, sweep_and_erase,
};
use super::support::app::{app, engine, has_paid, payment};
use super::{Db, TestDb};

/// The number of keys; each is sent once to either node.
const KEYS: usize = 2_000;
const WORKERS: usize = 12;

#[tokio::test(flavor = "multi_thread")]
async fn attempts_and_retries_through_a_pooler_succeed_under_mixed_load() {
    let db = TestDb::new().await;
    let nodes = [engine(&db).await, Idempotency::new(db.pool().await)];
    let is_over = Arc::new(AtomicBool::new(false));
    let mut beside = JoinSet::new();
    beside.spawn(repeat(
        Arc::clone(&is_over),
        nodes[0].clone(),
        sweep_and_erase,
    ));
    beside.spawn(repeat(
        Arc::clone(&is_over),
        nodes[1].clone(),
        look_at_records,
    ));
    beside.spawn(repeat(
        Arc::clone(&is_over),
        nodes[0].clone(),
        move_the_rollout,
    ));
    beside.spawn(repeat(
        Arc::clone(&is_over),
        nodes[1].clone(),
        handle_messages,
    ));
    beside.spawn(repeat(
        Arc::clone(&is_over),
        nodes[0].clone(),
        park_and_re_drive,
    ));
    beside.spawn(repeat(
        Arc::clone(&is_over),
        Idempotency::new(db.pool_of(2).await),
        observe,
    ));

    let mut workers = JoinSet::new();
    for worker in 0..WORKERS {
        let apps = nodes.clone().map(app);
        workers.spawn(async move {
            for key in (worker..KEYS).step_by(WORKERS) {
                let pay = payment("/payments").key(&key.to_string());
                let first = pay.send(&apps[key % 2]).await;
                assert!(has_paid(&first), "{key}: {first:?}");
                let retry = pay.send(&apps[(key + 1) % 2]).await;
                assert!(retry.is_replay(), "{key}: {retry:?}");
                assert_eq!(retry.body, first.body, "{key}");
            }
        });
    }
    workers.join_all().await;
    is_over.store(true, Ordering::Relaxed);
    let paid_beside: i64 = beside.join_all().await.into_iter().sum();
    assert_eq!(db.payments().await, 2_000 + paid_beside);
}

/// A statement's name lasts as long as the server's connection, which may belong to another
/// client by then.
#[tokio::test]
async fn prepared_statement_names_lost_behind_a_pooler_fail_no_attempt() {
    let db = TestDb::new().await;
    let nodes = [engine(&db).await, Idempotency::new(db.pool().await)];
    for node in &nodes {
        let mut all = Vec::new();
        for _ in 0..5 {
            let mut conn = node.pool().acquire().await.unwrap();
            // The first few names are those of other clients.
            for _ in 0..20 {
                let _taken = sqlx::query("select 1").execute(&mut *conn).await;
            }
            assert_eq!(conn.cached_statements_size(), 1);
            all.push(conn);
        }
    }
    let apps = nodes.map(app);
    for key in 0..60 {
        let pay = payment("/payments").key(&key.to_string());
        let first = pay.send(&apps[key % 2]).await;
        assert!(has_paid(&first), "{key}: {first:?}");
        let retry = pay.send(&apps[(key + 1) % 2]).await;
        assert!(retry.is_replay(), "{key}: {retry:?}");
    }
    assert_eq!(db.payments().await, 60);
}

/// Repeats the work, at least once, and returns how many payments it made.
async fn repeat<F>(
    is_over: Arc<AtomicBool>,
    idem: Idempotency<Db>,
    act: impl Fn(Idempotency<Db>, usize) -> F + Send + 'static,
) -> i64
where
    F: Future<Output = i64> + Send,
{
    let mut paid = 0;
    for round in 0.. {
        paid += act(idem.clone(), round).await;
        if is_over.load(Ordering::Relaxed) {
            break;
        }
    }
    paid
}
