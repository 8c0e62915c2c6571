//! A handler that ends its transaction on Postgres and fails in another one.

use std::sync::Arc;

use super::TestDb;
use super::support::app::{engine, has_paid, payment, problem};
use super::support::statements::app;

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
