//! The payments app as a process: killed at any statement, in pairs, and terminated.

#![allow(
    clippy::duplicate_mod,
    reason = "the cases are compiled once per server"
)]
#![allow(clippy::panic, clippy::unwrap_used, reason = "tests")]

use std::net::SocketAddr;
use std::time::Duration;

use idem_tests::http::{Answer, Attempt, get, post};
use idem_tests::process::{Process, payments, start_payments};
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// A payment whose reference is its key.
fn pay(key: &str, source: &str) -> Attempt {
    let body = json!({"amount": 100, "currency": "EUR", "reference": key, "source": source});
    post("/payments")
        .header("authorization", "Bearer acme-demo-key")
        .key(key)
        .json(&body)
}

async fn payments_of(key: &str, address: SocketAddr) -> usize {
    let list = get(format!("/payments?reference={key}"));
    let list = list
        .header("authorization", "Bearer acme-demo-key")
        .send_to(address)
        .await
        .unwrap();
    let body: Value = list.json();
    body.get("payments")
        .and_then(Value::as_array)
        .unwrap()
        .len()
}

/// Retries until the response is final, as a client does.
async fn retry(key: &str, address: SocketAddr) -> Answer {
    settle(&pay(key, "tok_visa"), address).await
}

/// Sends it again until the response is final.
async fn settle(attempt: &Attempt, address: SocketAddr) -> Answer {
    let retrying = async {
        loop {
            let answer = attempt.send_to(address).await.unwrap();
            if !matches!(answer.status.as_u16(), 409 | 503) {
                return answer;
            }
            assert!(answer.header("retry-after").is_some(), "{answer:?}");
            sleep(Duration::from_millis(10)).await;
        }
    };
    let final_answer = timeout(Duration::from_secs(60), retrying).await;
    final_answer.expect("the key is free in the end")
}

async fn each_key_is_paid_once(keys: &[String], address: SocketAddr) {
    for key in keys {
        let answer = retry(key, address).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        assert_eq!(payments_of(key, address).await, 1, "payments of {key}");
    }
}

fn send_all(keys: &[String], address: SocketAddr) -> JoinSet<bool> {
    let attempts = keys.iter().map(|key| pay(key, "tok_visa"));
    attempts
        .map(|pay| async move { pay.send_to(address).await.is_ok() })
        .collect()
}

async fn one_of_64_duplicates_pays_and_other_keys_are_served(nodes: &[Process]) {
    let mut sent = JoinSet::new();
    for attempt in 0..64_usize {
        let address = nodes[attempt % nodes.len()].address();
        sent.spawn(async move { pay("same", "tok_slow_300").send_to(address).await.unwrap() });
    }
    for key in 0..16_usize {
        let answer = pay(&format!("other-{key}"), "tok_visa");
        let answer = answer
            .send_to(nodes[key % nodes.len()].address())
            .await
            .unwrap();
        assert_eq!(answer.status, 201, "{answer:?}");
    }
    let answers = sent.join_all().await;
    let originals = answers
        .iter()
        .filter(|answer| answer.status == 201 && !answer.is_replay());
    assert_eq!(originals.count(), 1);
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        assert_eq!(answer.status, 409, "{answer:?}");
        assert!(answer.header("retry-after").is_some(), "{answer:?}");
    }
    assert_eq!(payments_of("same", nodes[0].address()).await, 1);
}

/// The example's script moves two nodes from `off` to `enforce` while clients send and retry.
async fn no_request_fails_during_a_rollout_from_off_to_enforce(feature: &str, url: &str) {
    let start = async || {
        let mut command = payments(feature);
        command.args(["--listen", "127.0.0.1:0", "--database-url", url]);
        command.args(["--admin-key", "operator", "--rollout-every", "50ms"]);
        Process::start(command).await
    };
    let nodes = [start().await, start().await];
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../examples/payments/rollout.py"
    );
    let mut walk = Command::new("python3");
    walk.args([script, "--operator", "operator", "--seconds", "1.5"]);
    for node in &nodes {
        walk.args(["--app", &format!("http://{}", node.address())]);
    }
    let walked = timeout(Duration::from_secs(180), walk.kill_on_drop(true).output()).await;
    let walked = walked.unwrap().unwrap();
    let said = String::from_utf8_lossy(&walked.stdout);
    let errors = String::from_utf8_lossy(&walked.stderr);
    assert!(walked.status.success(), "{said}{errors}");
    for seen in [
        "observe would_replayed",
        "validate would_replayed",
        "enforce replayed",
    ] {
        assert!(said.contains(seen), "{said}");
    }
    assert!(said.contains("requests that failed: 0"), "{said}");
}

#[cfg(feature = "sqlite")]
#[path = "."]
mod sqlite {
    use super::*;
    use idem_tests::sqlite::{FEATURE, TestDb};

    #[path = "payments/demo.rs"]
    mod demo;
    #[path = "payments/demo_alone.rs"]
    mod demo_alone;
    #[path = "payments/network.rs"]
    mod network;
    #[path = "payments/shop.rs"]
    mod shop;

    #[tokio::test]
    async fn each_key_is_paid_once_when_the_app_is_killed_after_any_number_of_responses() {
        let db = TestDb::empty().await;
        for answers in 0..10 {
            let keys: Vec<_> = (0..10).map(|key| format!("k{answers}-{key}")).collect();
            let mut victim = start_payments(FEATURE, &db.url(), 5).await;
            let mut sent = send_all(&keys, victim.address());
            for _ in 0..answers {
                sent.join_next().await;
            }
            victim.kill().await;
            let next = start_payments(FEATURE, &db.url(), 5).await;
            each_key_is_paid_once(&keys, next.address()).await;
        }
    }

    #[tokio::test]
    #[cfg_attr(idem_no_python, ignore = "needs python3")]
    async fn no_request_fails_during_a_rollout_from_off_to_enforce() {
        let db = TestDb::empty().await;
        super::no_request_fails_during_a_rollout_from_off_to_enforce(FEATURE, &db.url()).await;
    }

    #[tokio::test]
    async fn one_of_64_duplicates_pays_and_other_keys_wait_their_turn() {
        let db = TestDb::empty().await;
        let node = start_payments(FEATURE, &db.url(), 5).await;
        one_of_64_duplicates_pays_and_other_keys_are_served(&[node]).await;
    }

    #[tokio::test]
    async fn reads_and_replays_are_served_while_another_attempt_writes() {
        let db = TestDb::empty().await;
        let node = start_payments(FEATURE, &db.url(), 5).await;
        let address = node.address();
        let paid = retry("early", address).await;
        let mut slow = two_at_once("slow", "tok_slow_10000", address).await;
        for _ in 0..3 {
            let replay = retry("early", address).await;
            assert!(replay.is_replay() && replay.body == paid.body, "{replay:?}");
            assert_eq!(payments_of("early", address).await, 1);
        }
        assert!(slow.try_join_next().is_none());
    }

    #[tokio::test]
    async fn a_terminated_app_finishes_its_running_attempts() {
        let db = TestDb::empty().await;
        let mut first = start_payments(FEATURE, &db.url(), 5).await;
        let address = first.address();
        let mut sent = two_at_once("slow", "tok_slow_3000", address).await;
        first.terminate();
        assert_eq!(sent.join_next().await.unwrap().unwrap().status, 201);
        assert!(first.exit_status().await.success(), "{}", first.log());
        let next = start_payments(FEATURE, &db.url(), 5).await;
        assert_eq!(payments_of("slow", next.address()).await, 1);
    }

    /// Sends two attempts, one of which runs when this returns.
    async fn two_at_once(
        key: &'static str,
        source: &'static str,
        address: SocketAddr,
    ) -> JoinSet<Answer> {
        let mut sent = JoinSet::new();
        for _ in 0..2 {
            sent.spawn(async move { pay(key, source).send_to(address).await.unwrap() });
        }
        // The duplicate is answered at once.
        assert_eq!(sent.join_next().await.unwrap().unwrap().status, 409);
        sent
    }
}

#[cfg(all(feature = "postgres", not(idem_no_postgres)))]
#[path = "."]
mod postgres {
    use idem_tests::postgres::{FEATURE, TestDb};

    const COMMIT: &str = "commit";
    /// The first and the last statement.
    const SWEEP: [&str; 2] = ["delete from idem.record", "delete from idem.dead_letter"];

    #[path = "payments/demo.rs"]
    mod demo;
    #[path = "payments/network.rs"]
    mod network;
    #[path = "payments/server.rs"]
    mod server;
    #[path = "payments/shop.rs"]
    mod shop;
}

#[cfg(all(feature = "mysql", not(idem_no_mysql)))]
#[path = "."]
mod mysql {
    use idem_tests::mysql::{FEATURE, TestDb};

    const COMMIT: &str = "commit";
    /// The first and the last statement.
    const SWEEP: [&str; 2] = ["delete d from", "commit"];

    #[path = "payments/demo.rs"]
    mod demo;
    #[path = "payments/network.rs"]
    mod network;
    #[path = "payments/server.rs"]
    mod server;
    #[path = "payments/shop.rs"]
    mod shop;
}
