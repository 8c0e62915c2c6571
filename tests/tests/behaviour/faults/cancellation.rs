//! An engine call that is dropped at any await leaves the pool and the key as they were.

use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use idem_axum::engine::{
    Attempt, Backend, Claim, Completed, Completion, Effects, Engine, Fingerprint, FingerprintBy,
    FingerprintInput, Fresh, Operation, Policy, RecordName, Scope, WhileRunning,
};
use idem_axum::{Idempotency, engine::FreshWithoutTx};
use tokio::time::Instant;
use uuid::Uuid;

use super::{Db, INSERT_PAYMENT, TestDb, idem_on};

#[tokio::test]
async fn a_dropped_claim_leaves_nothing_behind() {
    at_every_await(async |nodes, key, cut| {
        let claim = cut.off(nodes.mine.claim(attempt(key))).await;
        claim.is_some()
    })
    .await;
}

#[tokio::test]
async fn a_dropped_claim_without_a_transaction_leaves_nothing_behind() {
    at_every_await(async |nodes, key, cut| {
        let claim = nodes.mine.claim_without_tx(attempt(key));
        cut.off(claim).await.is_some()
    })
    .await;
}

#[tokio::test]
async fn a_dropped_fresh_claim_leaves_nothing_behind() {
    at_every_await(async |nodes, key, cut| {
        let mut fresh = fresh(&nodes.mine, key).await;
        cut.off(pay(&mut fresh)).await.is_some()
    })
    .await;
}

#[tokio::test]
async fn a_dropped_release_leaves_nothing_behind() {
    at_every_await(async |nodes, key, cut| {
        let mut fresh = fresh(&nodes.mine, key).await;
        pay(&mut fresh).await;
        let release = fresh.release(Completion::default);
        cut.off(release).await.is_some()
    })
    .await;
}

#[tokio::test]
async fn a_dropped_stop_leaves_nothing_behind() {
    at_every_await(async |nodes, key, cut| {
        let mut fresh = fresh(&nodes.mine, key).await;
        pay(&mut fresh).await;
        cut.off(fresh.stop(Completion::default)).await.is_some()
    })
    .await;
}

#[tokio::test]
async fn a_dropped_release_without_a_transaction_leaves_nothing_behind() {
    at_every_await(async |nodes, key, cut| {
        let claim = nodes.mine.claim_without_tx(attempt(key)).await.unwrap();
        let Claim::Fresh(fresh) = claim else { panic!() };
        cut.off(FreshWithoutTx::release(fresh)).await.is_some()
    })
    .await;
}

#[tokio::test]
async fn a_dropped_completion_commits_or_rolls_back_and_a_retry_sees_which() {
    for (connections, cut) in cuts() {
        let nodes = Nodes::start(connections).await;
        for polls in 1.. {
            let (key, cut) = (polls.to_string(), Cut { polls, ..cut });
            let mut first = fresh(&nodes.mine, &key).await;
            pay(&mut first).await;
            let complete =
                first.complete(Completion::default(), Effects::Keep, Completion::default);
            let whole = cut.off(complete).await.is_some();
            match nodes.other.claim(attempt(&key)).await.unwrap() {
                Claim::Fresh(retry) => pay_and_complete(retry).await,
                Claim::Replay(_) => {}
                claim => panic!("{claim:?}"),
            }
            assert_eq!(nodes.db.payments().await, polls);
            if whole {
                break;
            }
        }
    }
}

#[tokio::test]
async fn the_outcome_of_an_attempt_is_decided_by_its_own_record() {
    let nodes = Nodes::start(1).await;
    let mut first = fresh(&nodes.mine, "k").await;
    let own = first.tx().attempt_id().parse().unwrap();
    let complete = first.complete(Completion::default(), Effects::Keep, Completion::default);
    complete.await.unwrap();
    let name = attempt("k").name;
    let mut conn = nodes.other.pool().acquire().await.unwrap();
    for (id, became) in [(own, "Committed"), (Uuid::new_v4(), "RolledBack")] {
        let mut told = "Running".to_owned();
        // While the lock is on its way back nobody knows.
        while told == "Running" {
            let outcome = Db::commit_outcome(&mut conn, &name, id).await.unwrap();
            told = format!("{outcome:?}");
        }
        assert_eq!(told, became);
    }
}

/// Lets `run` drop its future after the first poll, the second, and so on until it completes,
/// and checks the state each time.
async fn at_every_await(run: impl AsyncFn(&Nodes, &str, Cut) -> bool) {
    for (connections, cut) in cuts() {
        let nodes = Nodes::start(connections).await;
        let mut paid = 0;
        for polls in 1.. {
            let key = polls.to_string();
            let whole = run(&nodes, &key, Cut { polls, ..cut }).await;
            paid += nodes.are_clean(&key).await;
            assert_eq!(nodes.db.payments().await, paid, "{polls} {cut:?}");
            if whole {
                break;
            }
        }
    }
}

fn cuts() -> impl Iterator<Item = (u32, Cut)> {
    [(1, false), (1, true), (2, false), (2, true)]
        .map(|(connections, woken)| (connections, Cut { polls: 0, woken }))
        .into_iter()
}

/// When to drop a future: after this many polls, at once or when it would be polled again.
#[derive(Clone, Copy, Debug)]
pub struct Cut {
    pub polls: i64,
    pub woken: bool,
}

impl Cut {
    /// `None`: it was dropped before it completed.
    pub async fn off<F: Future>(self, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        let mut left = self.polls;
        std::future::poll_fn(move |context| {
            if left == 0 {
                return Poll::Ready(None);
            }
            left -= 1;
            match future.as_mut().poll(context) {
                Poll::Ready(output) => Poll::Ready(Some(output)),
                Poll::Pending if left == 0 && !self.woken => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }
}

/// Two nodes over one database; calls are dropped on the first.
struct Nodes {
    db: TestDb,
    mine: Idempotency<Db>,
    connections: u32,
    other: Idempotency<Db>,
}

impl Nodes {
    async fn start(connections: u32) -> Self {
        let db = TestDb::new().await;
        let mine = idem_on(db.pool_of(connections).await).build();
        mine.migrate().await.unwrap();
        let other = idem_on(db.pool_of(1).await).build();
        Self {
            db,
            mine,
            connections,
            other,
        }
    }

    /// Checks for open transactions, held locks and a free key; returns the key's payments.
    async fn are_clean(&self, key: &str) -> i64 {
        let pool = self.mine.pool();
        let mut connections = Vec::new();
        for _ in 0..self.connections {
            connections.push(pool.acquire().await.unwrap());
        }
        for connection in &mut connections {
            // In a transaction that was left open it would not be seen.
            let pay = sqlx::query_scalar(INSERT_PAYMENT).bind("acme").bind(5_i64);
            let _: i64 = pay.bind("-").fetch_one(&mut **connection).await.unwrap();
        }
        drop(connections);
        pay_and_complete(fresh(&self.other, key).await).await;
        let claim = self.mine.claim(attempt(key)).await.unwrap();
        assert!(matches!(claim, Claim::Replay(_)), "{claim:?}");
        pay_and_complete(fresh(&self.mine, &format!("{key}-new")).await).await;
        assert_eq!(self.mine.running(), 0);
        i64::from(self.connections) + 2
    }
}

/// A fresh claim, as soon as the dropped connections are closed.
pub async fn fresh(idem: &Idempotency<Db>, key: &str) -> Fresh<Db> {
    match idem.claim(attempt(key)).await.unwrap() {
        Claim::Fresh(fresh) => fresh,
        claim => panic!("{claim:?}"),
    }
}

pub async fn pay(fresh: &mut Fresh<Db>) {
    let pay = sqlx::query_scalar(INSERT_PAYMENT).bind("acme").bind(5_i64);
    let _: i64 = pay.bind("-").fetch_one(&mut *fresh.tx()).await.unwrap();
}

pub async fn pay_and_complete(mut fresh: Fresh<Db>) {
    pay(&mut fresh).await;
    let completed = fresh.complete(Completion::default(), Effects::Keep, Completion::default);
    assert!(matches!(completed.await, Ok(Completed::Committed)));
}

pub fn attempt(key: &str) -> Attempt {
    let input = FingerprintInput::new("POST", "/payments", b"5");
    let mut policy = Policy::default();
    policy.while_running = WhileRunning::Wait(Duration::from_secs(20));
    Attempt {
        name: RecordName {
            scope: Scope::new("acme").unwrap(),
            operation: Operation::new("pay").unwrap(),
            key: key.parse().unwrap(),
        },
        fingerprint: Fingerprint::of(&input, FingerprintBy::Body),
        policy,
        deadline: Instant::now() + policy.timeout,
    }
}
