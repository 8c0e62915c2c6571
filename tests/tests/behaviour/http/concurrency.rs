//! Of many concurrent attempts one runs.

use std::sync::Arc;

use axum::Router;
use idem_tests::http::{Answer, Attempt, serve};

use super::support::app::{Gate, app, app_with, engine, payment};
use super::{TestDb, idem_on};

#[tokio::test(flavor = "multi_thread")]
async fn one_of_many_duplicates_pays() {
    let db = TestDb::new().await;
    let app = app(engine(&db).await);
    let pay = payment("/payments").key("k");
    let answers = at_once((0..64).map(|_| (pay.clone(), app.clone()))).await;
    let originals = answers
        .iter()
        .filter(|answer| answer.status == 201 && !answer.is_replay());
    assert_eq!(originals.count(), 1);
    for answer in &answers {
        paid_or_refused(answer, &[409]);
    }
    assert_eq!(db.payments().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_duplicates_replay_the_response_of_the_one_that_pays() {
    let db = TestDb::new().await;
    let app = app(engine(&db).await);
    let pay = payment("/waiting").key("k");
    let answers = at_once((0..64).map(|_| (pay.clone(), app.clone()))).await;
    let originals = answers.iter().filter(|answer| !answer.is_replay());
    assert_eq!(originals.count(), 1);
    for answer in &answers {
        assert_eq!(answer.status, 201, "{answer:?}");
        assert_eq!(answer.body, answers[0].body);
    }
    assert_eq!(db.payments().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_pay_once_per_key() {
    let db = TestDb::new().await;
    let nodes = [
        app(engine(&db).await),
        app(idem_on(db.pool().await).build()),
    ];
    let attempts = (0..20 * 8).map(|attempt: usize| {
        let pay = payment("/payments").key(&(attempt / 8).to_string());
        (pay, nodes[attempt % 2].clone())
    });
    let answers = at_once(attempts).await;
    for answer in &answers {
        paid_or_refused(answer, &[409, 503]);
    }
    // Whoever was refused comes back, and nobody pays twice.
    for key in 0..20 {
        let pay = payment("/payments").key(&key.to_string());
        let answer = pay.send(&nodes[key % 2]).await;
        assert_eq!(answer.status, 201, "{answer:?}");
    }
    assert_eq!(db.payments().await, 20);
}

#[tokio::test]
async fn waiting_duplicates_hold_no_connection() {
    let (db, gate) = (TestDb::new().await, Arc::<Gate>::default());
    let idem = engine(&db).await;
    let app = app_with(idem.clone(), Arc::clone(&gate));
    let pay = payment("/gate").key("k");
    let attempts = (0..200).map(|_| (pay.clone(), app.clone()));
    let answers = tokio::spawn(at_once(attempts.collect::<Vec<_>>().into_iter()));
    gate.entered.notified().await;
    // One connection is the running attempt's, four are free.
    let mut free = Vec::new();
    for _ in 0..4 {
        free.push(idem.pool().acquire().await.unwrap());
    }
    drop(free);
    gate.open.notify_one();
    for answer in answers.await.unwrap() {
        assert_eq!(answer.status, 201, "{answer:?}");
    }
    assert_eq!(db.payments().await, 1);
}

#[tokio::test]
async fn an_attempt_runs_to_its_end_after_its_client_disconnects() {
    let (db, gate) = (TestDb::new().await, Arc::<Gate>::default());
    let app = app_with(engine(&db).await, Arc::clone(&gate));
    let address = serve(app.clone()).await;
    let pay = payment("/gate").key("k");
    let client = tokio::spawn({
        let pay = pay.clone();
        async move { pay.send_to(address).await }
    });
    gate.entered.notified().await;
    client.abort();
    assert!(client.await.unwrap_err().is_cancelled());
    assert_eq!(db.payments().await, 0);
    gate.open.notify_one();
    let retry = pay.send(&app).await;
    assert!(retry.is_replay(), "{retry:?}");
    assert_eq!(db.payments().await, 1);
}

async fn at_once(attempts: impl Iterator<Item = (Attempt, Router)>) -> Vec<Answer> {
    let sent = attempts.map(|(attempt, app)| tokio::spawn(async move { attempt.send(&app).await }));
    let mut answers = Vec::new();
    for sent in sent.collect::<Vec<_>>() {
        answers.push(sent.await.unwrap());
    }
    answers
}

/// Paid, or refused with a retryable status.
fn paid_or_refused(answer: &Answer, refusals: &[u16]) {
    if answer.status != 201 {
        assert!(refusals.contains(&answer.status.as_u16()), "{answer:?}");
        assert!(answer.header("retry-after").is_some(), "{answer:?}");
    }
}
