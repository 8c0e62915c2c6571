//! The card network charges each payment once, counted at the network.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use idem_tests::a_moment;
use idem_tests::http::{Attempt, get, post};
use idem_tests::process::{Process, card_network, payments};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::super::settle;
use super::{FEATURE, TestDb};

#[tokio::test]
async fn a_payment_whose_app_is_killed_between_charge_and_commit_is_charged_once() {
    let db = TestDb::empty().await;
    let network = Process::start(card_network(FEATURE)).await;
    let mut victim = app(&db, &network).await;
    let pay = pay(100, "tok_network_late_60000");
    let (attempt, address) = (pay.clone(), victim.address());
    let sent = tokio::spawn(async move { attempt.send_to(address).await.is_ok() });
    while charges(&network).await.is_empty() {
        a_moment().await;
    }
    victim.kill().await;
    assert!(!sent.await.unwrap());
    let next = app(&db, &network).await;
    let paid = settle(&pay, next.address()).await;
    assert_eq!((paid.status.as_u16(), paid.is_replay()), (201, false));
    assert_eq!(charges(&network).await, BTreeMap::from([(100, 1)]));
}

#[tokio::test]
async fn each_of_500_payments_is_charged_once_whatever_is_lost() {
    const TOKENS: [&str; 5] = ["visa", "lost", "late_20", "slow_20", "lost"];
    let db = TestDb::empty().await;
    let network = Process::start(card_network(FEATURE)).await;
    let mut amounts = 1..;
    for round in 0..10 {
        let mut victim = app(&db, &network).await;
        let requests: Vec<_> = amounts
            .by_ref()
            .take(50)
            .zip(TOKENS.iter().cycle())
            .map(|(amount, token)| pay(amount, &format!("tok_network_{token}")))
            .collect();
        let mut sent = JoinSet::new();
        for attempt in requests.clone() {
            let address = victim.address();
            sent.spawn(async move { attempt.send_to(address).await.is_ok() });
        }
        for _ in 0..round * 5 {
            sent.join_next().await;
        }
        victim.kill().await;
        let next = app(&db, &network).await;
        for attempt in &requests {
            let paid = settle(attempt, next.address()).await;
            assert_eq!(paid.status, 201, "{paid:?}");
        }
    }
    let once = (1..=500).map(|amount| (amount, 1));
    assert_eq!(charges(&network).await, once.collect());
}

#[tokio::test]
async fn what_the_network_refuses_is_not_paid() {
    let db = TestDb::empty().await;
    let network = Process::start(card_network(FEATURE)).await;
    let app = app(&db, &network).await;
    let declined = pay(1, "tok_network_declined");
    for is_replay in [false, true] {
        let refused = declined.send_to(app.address()).await.unwrap();
        assert_eq!(
            (refused.status.as_u16(), refused.is_replay()),
            (402, is_replay)
        );
    }
    let failing = pay(2, "tok_network_failing");
    let refused = failing.send_to(app.address()).await.unwrap();
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(refused.header("retry-after").is_some(), "{refused:?}");
    assert_eq!(charges(&network).await, BTreeMap::new());
}

async fn app(db: &TestDb, network: &Process) -> Process {
    let mut command = payments(FEATURE);
    command.args(["--listen", "127.0.0.1:0", "--database-url", &db.url()]);
    command.args(["--pool-size", "5", "--card-network"]);
    command.arg(format!("http://{}", network.address()));
    Process::start(command).await
}

/// A payment whose amount is its own.
fn pay(amount: u32, token: &str) -> Attempt {
    let body = json!({"amount": amount, "currency": "EUR", "source": token});
    post("/payments")
        .header("authorization", "Bearer acme-demo-key")
        .key(&format!("k{amount}"))
        .json(&body)
}

/// How often each amount was charged at the network.
async fn charges(network: &Process) -> BTreeMap<u32, usize> {
    let address: SocketAddr = network.address();
    let list: Value = get("/charges").send_to(address).await.unwrap().json();
    let mut counts = BTreeMap::new();
    for charge in list["charges"].as_object().unwrap().values() {
        let amount = charge["amount"].as_u64().unwrap();
        *counts.entry(amount.try_into().unwrap()).or_default() += 1;
    }
    counts
}
