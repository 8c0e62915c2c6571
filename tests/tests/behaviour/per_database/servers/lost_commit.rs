//! The connection is lost while the attempt commits. Not on SQLite, which has none.

use axum::Router;
use idem_tests::proxy::{Action, Proxy};
use serde_json::Value;

use super::http::without_tx;
use super::support::app::{app, engine, has_paid, payment, problem};
use super::{COMMIT, TestDb, age_records, idem_on, pool_at};

#[tokio::test]
async fn a_commit_with_a_lost_acknowledgement_is_reported_as_a_success() {
    let (db, proxy, app) = start().await;
    let commit = proxy.on(COMMIT, Action::CutAnswer);
    let pay = payment("/payments").key("k");
    let paid = pay.send(&app).await;
    assert!(commit.is_reached());
    assert!(has_paid(&paid), "{paid:?}");
    assert_eq!(db.payments().await, 1);
    let retry = pay.send(&app).await;
    assert!(retry.is_replay(), "{retry:?}");
    assert_eq!(retry.body, paid.body);
    assert_eq!(db.payments().await, 1);
}

#[tokio::test]
async fn a_commit_that_never_arrived_gets_503_try_again() {
    let (db, proxy, app) = start().await;
    let commit = proxy.on(COMMIT, Action::Cut);
    let pay = payment("/payments").key("k");
    let lost = pay.send(&app).await;
    assert!(commit.is_reached());
    assert_eq!(problem(&lost), (503, "try-again".to_owned()));
    assert!(lost.header("retry-after").is_some());
    assert_eq!(db.payments().await, 0);
    assert!(has_paid(&pay.send(&app).await));
    assert_eq!(db.payments().await, 1);
}

#[tokio::test]
async fn a_commit_that_never_arrived_is_not_mistaken_for_an_earlier_one() {
    let (db, proxy, app) = start().await;
    let pay = payment("/payments").key("k");
    assert!(has_paid(&pay.send(&app).await));
    age_records(&db.pool_of(1).await).await;
    let commit = proxy.on(COMMIT, Action::Cut);
    let lost = pay.send(&app).await;
    assert!(commit.is_reached());
    assert_eq!(problem(&lost), (503, "try-again".to_owned()));
    assert_eq!(db.payments().await, 1);
}

#[tokio::test]
async fn a_lost_commit_without_a_key_is_reported_as_not_retryable() {
    for (action, payments) in [(Action::CutAnswer, 1), (Action::Cut, 0)] {
        let (db, proxy, app) = start().await;
        let commit = proxy.on(COMMIT, action);
        let unclear = payment("/optional").send(&app).await;
        assert!(commit.is_reached());
        assert_eq!(problem(&unclear), (500, "commit-unclear".to_owned()));
        assert_eq!(unclear.json::<Value>()["retryable"], false);
        assert_eq!(unclear.header("retry-after"), None);
        assert_eq!(db.payments().await, payments);
    }
}

#[tokio::test]
async fn work_without_a_tx_is_recorded_once_when_the_commit_is_lost() {
    for action in [Action::CutAnswer, Action::Cut] {
        let (db, proxy, _) = start().await;
        let (app, _) = without_tx::app(idem_on(pool_at(proxy.url(), 10).await).build());
        let commit = proxy.on(COMMIT, action);
        let pay = payment("/pool").key("k");
        let paid = pay.send(&app).await;
        assert!(commit.is_reached());
        assert!(has_paid(&paid), "{paid:?}");
        let retry = pay.send(&app).await;
        assert!(retry.is_replay(), "{retry:?}");
        assert_eq!(retry.body, paid.body);
        assert_eq!(db.payments().await, 1);
    }
}

#[tokio::test]
async fn a_connection_lost_while_the_handler_runs_leaves_nothing() {
    let (db, proxy, app) = start().await;
    let insert = proxy.on("insert into payment", Action::CutAnswer);
    let pay = payment("/payments").key("k");
    let lost = pay.send(&app).await;
    assert!(insert.is_reached());
    assert!(lost.status.is_server_error(), "{lost:?}");
    assert_eq!(db.payments().await, 0);
    assert!(has_paid(&pay.send(&app).await));
    assert_eq!(db.payments().await, 1);
}

#[tokio::test]
async fn nothing_runs_without_the_database() {
    let (db, proxy, app) = start().await;
    proxy.go_down();
    let pay = payment("/payments").key("k");
    let refused = pay.send(&app).await;
    assert_eq!(problem(&refused), (503, "store-unavailable".to_owned()));
    assert!(refused.header("retry-after").is_some());
    proxy.come_up();
    assert_eq!(db.payments().await, 0);
    assert!(has_paid(&pay.send(&app).await));
    assert_eq!(db.payments().await, 1);
}

/// The application reaches its database through the proxy.
pub async fn start() -> (TestDb, Proxy, Router) {
    let db = TestDb::new().await;
    engine(&db).await.pool().close().await;
    let proxy = Proxy::to(&db.url()).await;
    let pool = pool_at(proxy.url(), 10).await;
    (db, proxy, app(idem_on(pool).build()))
}
