//! The app with a database server: killed at any statement, and in pairs.

use std::slice;

use super::super::{
    Process, each_key_is_paid_once, one_of_64_duplicates_pays_and_other_keys_are_served,
    payments_of, retry, send_all, start_payments,
};
use super::{COMMIT, FEATURE, SWEEP, TestDb};
use idem_tests::a_moment;
use idem_tests::proxy::{Action, Proxy};

#[tokio::test]
#[cfg_attr(idem_no_python, ignore = "needs python3")]
async fn no_request_fails_during_a_rollout_from_off_to_enforce() {
    let db = TestDb::empty().await;
    super::super::no_request_fails_during_a_rollout_from_off_to_enforce(FEATURE, &db.url()).await;
}

#[tokio::test]
async fn each_key_is_paid_once_when_the_app_is_killed_between_any_two_statements() {
    let db = TestDb::empty().await;
    let statements = statements_of_a_payment(&db).await;
    // Begin, probe, payment, event, record, COMMIT.
    assert!(statements >= 6, "{statements}");
    for number in 0..100 {
        let key = format!("k{number}");
        let action = [Action::Hold, Action::HoldAnswer][number % 2];
        let (mut victim, proxy) = proxied(&db).await;
        let trap = proxy.on_nth(number / 2 % statements + 1, "", action);
        let sent = send_all(slice::from_ref(&key), victim.address());
        trap.reached().await;
        victim.kill().await;
        proxy.cut();
        sent.join_all().await;
        let next = start_payments(FEATURE, &db.url(), 5).await;
        each_key_is_paid_once(&[key], next.address()).await;
    }
}

async fn statements_of_a_payment(db: &TestDb) -> usize {
    let (node, proxy) = proxied(db).await;
    proxy.forget();
    assert_eq!(retry("counted", node.address()).await.status, 201);
    let statements = proxy.traffic().statements;
    // Only some payments need a new connection, and what comes behind COMMIT may not have come yet.
    let own = statements
        .iter()
        .filter(|one| !one.starts_with("SET sql_mode"));
    let before_commit = own.take_while(|one| !commits(one));
    before_commit.count() + 1
}

/// Whether a text of one or several statements commits.
fn commits(text: &str) -> bool {
    let mut statements = text.split(';').map(str::trim_start);
    statements.any(|one| {
        one.get(..COMMIT.len())
            .is_some_and(|word| word.eq_ignore_ascii_case(COMMIT))
    })
}

/// The app with a proxy that from here on sees only the statements of requests.
async fn proxied(db: &TestDb) -> (Process, Proxy) {
    let proxy = Proxy::to(&db.url()).await;
    let node = start_payments(FEATURE, proxy.url(), 5).await;
    let [begins, ends] = SWEEP;
    let has_swept = |statements: &[String]| {
        let sweep = statements.iter().skip_while(|one| !one.contains(begins));
        sweep.into_iter().any(|one| one.contains(ends))
    };
    while !has_swept(&proxy.traffic().statements) {
        a_moment().await;
    }
    (node, proxy)
}

#[tokio::test]
async fn a_payment_is_replayed_when_the_app_is_killed_between_commit_and_response() {
    let db = TestDb::empty().await;
    let (mut victim, proxy) = proxied(&db).await;
    let keys = ["committed".to_owned()];
    let trap = proxy.on(COMMIT, Action::HoldAnswer);
    let sent = send_all(&keys, victim.address());
    trap.reached().await;
    victim.kill().await;
    proxy.cut();
    sent.join_all().await;
    let next = start_payments(FEATURE, &db.url(), 5).await;
    assert!(retry("committed", next.address()).await.is_replay());
    assert_eq!(payments_of("committed", next.address()).await, 1);
}

#[tokio::test]
async fn one_of_64_duplicates_on_two_processes_pays_and_other_keys_are_served() {
    let db = TestDb::empty().await;
    let nodes = [
        start_payments(FEATURE, &db.url(), 5).await,
        start_payments(FEATURE, &db.url(), 5).await,
    ];
    one_of_64_duplicates_pays_and_other_keys_are_served(&nodes).await;
}
