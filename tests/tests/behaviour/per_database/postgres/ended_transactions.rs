//! A handler that ends its transaction on Postgres and fails in another one.

use std::sync::Arc;
use std::time::Duration;

use idem_axum::Idempotency;
use idem_tests::proxy::{Action, Proxy};

use super::gate::{Gate, WAIT, until_somebody_waits};
use super::support::app::{engine, has_paid, payment, problem};
use super::support::scripted_app::send;
use super::support::statements::app;
use super::{CANCEL, TestDb, idem_on, pool_at};

/// A transaction that has failed answers no question, so what came before it must be found otherwise.
#[tokio::test]
async fn a_handler_that_commits_and_fails_in_another_transaction_is_not_run_again() {
    let db = TestDb::new().await;
    let app = app(engine(&db).await, Arc::default());
    for (payments, sql) in (1..).zip([
        "commit; begin; select 1 / 0",
        "commit and chain; select 1 / 0",
        "commit; select 1 / 0",
    ]) {
        let pay = payment("/act").key(&payments.to_string());
        let broken = pay.clone().header("x-sql", sql).send(&app).await;
        let expected = (500, "transaction-broken".to_owned());
        assert_eq!(problem(&broken), expected, "{sql}");
        assert_eq!(db.payments().await, payments, "{sql}");
        let retry = pay.send(&app).await;
        assert!(retry.is_replay(), "{sql}: {retry:?}");
        assert_eq!(db.payments().await, payments, "{sql}");
    }
}

#[tokio::test]
async fn a_handler_that_goes_on_in_another_transaction_is_not_run_again() {
    let db = TestDb::new().await;
    let app = app(engine(&db).await, Arc::default());
    for (key, payments, sql) in [
        ("1", 1, "commit; begin"),
        ("2", 2, "commit and chain"),
        ("3", 2, "rollback; begin"),
    ] {
        let pay = payment("/act").key(key);
        let broken = pay.clone().header("x-sql", sql).send(&app).await;
        let expected = (500, "transaction-broken".to_owned());
        assert_eq!(problem(&broken), expected, "{sql}");
        assert_eq!(db.payments().await, payments, "{sql}");
        assert!(pay.send(&app).await.is_replay(), "{sql}");
        assert_eq!(db.payments().await, payments, "{sql}");
    }
}

/// By then the key is another attempt's, whose statement must run on.
#[tokio::test]
async fn a_handler_that_commits_and_takes_too_long_stops_no_other_attempt() {
    let db = TestDb::new().await;
    let other = app(engine(&db).await, Arc::default());
    let proxy = Proxy::to(&db.url()).await;
    let limited = idem_on(pool_at(proxy.url(), 2).await);
    let limited = limited.timeout(Duration::from_secs(5)).build();
    let node = app(limited, Arc::default());
    let direct = db.direct().await;
    let mut gate = Gate::shut(&direct).await;
    let act = |sql: &str| payment("/act").key("k").header("x-sql", sql);
    let stop = proxy.on(CANCEL, Action::Hold);
    let ends = send(&node, act("commit; select pg_sleep(600)"));
    stop.reached().await;
    assert_eq!(db.payments().await, 1);
    let runs = send(&other, act(WAIT));
    until_somebody_waits(&direct).await;
    let stopped = proxy.on("begin", Action::Hold);
    stop.resume();
    stopped.reached().await;
    gate.open().await;
    assert!(has_paid(&runs.await.unwrap()));
    stopped.resume();
    let expected = (500, "transaction-broken".to_owned());
    assert_eq!(problem(&ends.await.unwrap()), expected);
    assert_eq!(db.payments().await, 2);
}

#[tokio::test]
async fn a_handler_that_fails_in_its_own_transaction_or_a_savepoint_may_run_again() {
    let db = TestDb::new().await;
    let app = app(engine(&db).await, Arc::default());
    for (before, sql) in (0..).zip([
        "select 1 / 0",
        "savepoint one; select 1 / 0",
        "rollback; begin; select 1 / 0",
    ]) {
        let pay = payment("/act").key(&before.to_string());
        let failed = pay.clone().header("x-sql", sql).send(&app).await;
        assert_eq!(failed.status, 409, "{sql}: {failed:?}");
        assert_eq!(db.payments().await, before, "{sql}");
        let retry = pay.send(&app).await;
        assert!(has_paid(&retry), "{sql}: {retry:?}");
    }
}

#[tokio::test]
async fn a_handler_that_makes_its_transaction_read_only_commits_nothing() {
    let db = TestDb::new().await;
    let app = app(engine(&db).await, Arc::default());
    let pay = payment("/act").key("k");
    let read_only = "set transaction read only";
    let refused = pay.clone().header("x-sql", read_only).send(&app).await;
    assert_eq!(problem(&refused), (500, "not-committed".to_owned()));
    assert_eq!(db.payments().await, 0);
    assert!(has_paid(&pay.send(&app).await));
}

/// To ask a failed transaction, Idem rolls it back and begins another one, which it must not mistake for
/// the handler's when it asks again.
#[tokio::test]
async fn a_slow_answer_about_a_failed_transaction_does_not_make_it_another_one() {
    let db = TestDb::new().await;
    engine(&db).await.pool().close().await;
    let proxy = Proxy::to(&db.url()).await;
    let app = app(
        Idempotency::new(pool_at(proxy.url(), 2).await),
        Arc::default(),
    );
    let pay = payment("/act").key("k");
    let slow = proxy.on("rollback and chain", Action::HoldAnswer);
    let stop = proxy.on(CANCEL, Action::Hold);
    let failed = send(&app, pay.clone().header("x-sql", "select 1 / 0"));
    slow.reached().await;
    stop.reached().await;
    slow.resume();
    stop.resume();
    assert_eq!(failed.await.unwrap().status, 409);
    assert_eq!(db.payments().await, 0);
    assert!(has_paid(&pay.send(&app).await));
}
