//! A failed attempt leaves nothing behind: no write without its record.

use std::sync::Arc;

use axum::Router;
use idem_tests::http::Attempt;

use super::TestDb;
use super::support::app::{app, engine, once_it_is_over, payment, problem};
use super::support::statements;

#[tokio::test]
async fn an_error_undoes_the_writes_and_frees_the_key() {
    let (db, app) = start().await;
    let failed = then("409").send(&app).await;
    assert_eq!(failed.status, 409, "{failed:?}");
    runs_as_the_first(&db, &app).await;
}

#[tokio::test]
async fn a_panic_undoes_the_writes_and_frees_the_key() {
    let (db, app) = start().await;
    // More often than the pool has connections.
    for _ in 0..6 {
        let failed = then("panic").send(&app).await;
        assert_eq!(problem(&failed), (500, "handler-panicked".to_owned()));
    }
    runs_as_the_first(&db, &app).await;
}

#[tokio::test]
async fn a_stored_error_undoes_the_writes_and_is_replayed() {
    let (db, app) = start().await;
    let refused = then("402").send(&app).await;
    assert_eq!(refused.status, 402, "{refused:?}");
    assert!(!refused.is_replay());
    let retry = then("402").send(&app).await;
    assert_eq!((retry.status, retry.is_replay()), (refused.status, true));
    assert_eq!(db.payments().await, 0);
}

#[tokio::test]
async fn a_handler_that_ignores_a_failed_statement_commits_nothing() {
    let (db, app) = start().await;
    let failed = then("fail").send(&app).await;
    assert_eq!(failed.status, 500, "{failed:?}");
    assert_eq!(db.payments().await, 0);
}

#[tokio::test]
async fn a_write_after_an_ignored_failed_statement_is_rolled_back() {
    let (db, app) = start().await;
    let failed = then("fail-and-pay").send(&app).await;
    assert_eq!(failed.status, 500, "{failed:?}");
    assert_eq!(db.payments().await, 0);
}

#[tokio::test]
async fn a_handler_that_ends_its_transaction_is_not_run_again() {
    let (db, app) = start().await;
    for ending in [
        "commit",
        "rollback",
        "commit-and-begin",
        "rollback-and-begin",
    ] {
        let pay = payment("/then").key(ending);
        let broken = pay.clone().header("x-then", ending).send(&app).await;
        let expected = (500, "transaction-broken".to_owned());
        assert_eq!(problem(&broken), expected, "{ending}");
        let left = db.payments().await;
        let retry = pay.send(&app).await;
        assert!(retry.is_replay(), "{retry:?}");
        assert_eq!((retry.status, &retry.body), (broken.status, &broken.body));
        assert_eq!(db.payments().await, left);
    }
}

/// Where no error is stored there is no savepoint, and on SQLite the connection's hooks alone tell of the end.
#[tokio::test]
async fn a_handler_that_ends_its_transaction_without_a_savepoint_is_not_run_again() {
    let db = TestDb::new().await;
    let app = statements::app(engine(&db).await, Arc::default());
    for sql in ["commit", "rollback", "commit; begin", "rollback; begin"] {
        let pay = payment("/act").key(&sql.replace("; ", "-and-"));
        let broken = pay.clone().header("x-sql", sql).send(&app).await;
        let expected = (500, "transaction-broken".to_owned());
        assert_eq!(problem(&broken), expected, "{sql}");
        let left = db.payments().await;
        assert!(pay.send(&app).await.is_replay(), "{sql}");
        assert_eq!(db.payments().await, left, "{sql}");
    }
}

#[tokio::test]
async fn a_handler_that_leaves_a_savepoint_open_commits_nothing() {
    let (db, app) = start().await;
    // More often than the pool has connections.
    for attempt in 0..6 {
        let key = attempt.to_string();
        let failed = payment("/then").key(&key).header("x-then", "forget");
        let failed = failed.send(&app).await;
        assert_eq!(failed.status, 500, "{failed:?}");
    }
    runs_as_the_first(&db, &app).await;
}

#[tokio::test]
async fn a_committed_savepoint_is_rolled_back_with_its_failed_attempt() {
    let (db, app) = start().await;
    let failed = then("nest-and-fail").send(&app).await;
    assert_eq!(failed.status, 409, "{failed:?}");
    runs_as_the_first(&db, &app).await;
}

#[tokio::test]
async fn a_rolled_back_savepoint_undoes_nothing_else() {
    let (db, app) = start().await;
    let paid = then("nest-and-undo").send(&app).await;
    assert_eq!(paid.status, 201, "{paid:?}");
    assert_eq!(db.payments().await, 1);
    assert!(then("nest-and-undo").send(&app).await.is_replay());
}

#[tokio::test]
async fn a_timeout_undoes_the_writes_and_frees_the_key() {
    let (db, app) = start().await;
    let pay = payment("/in-time").key("k");
    let stopped = pay.send(&app).await;
    assert_eq!(problem(&stopped), (503, "timeout".to_owned()));
    assert!(stopped.header("retry-after").is_some());
    assert_eq!(db.payments().await, 0);
    let retry = once_it_is_over(&pay.path("/in-any-time"), &app).await;
    assert_eq!((retry.status.as_u16(), retry.is_replay()), (201, false));
    assert_eq!(db.payments().await, 1);
}

async fn start() -> (TestDb, Router) {
    let db = TestDb::new().await;
    let idem = engine(&db).await;
    (db, app(idem))
}

fn then(then: &str) -> Attempt {
    payment("/then").key("k").header("x-then", then)
}

async fn runs_as_the_first(db: &TestDb, app: &Router) {
    assert_eq!(db.payments().await, 0);
    let retry = payment("/then").key("k").send(app).await;
    assert_eq!(retry.status, 201, "{retry:?}");
    assert!(!retry.is_replay());
    assert_eq!(db.payments().await, 1);
}
