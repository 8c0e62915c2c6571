//! The database goes silent after the handler has run, like a network that lost its route.

use std::time::Duration;

use axum::Router;
use idem_tests::a_moment;
use idem_tests::http::Answer;
use idem_tests::proxy::{Action, Proxy};
use sqlx::Executor;
use tokio::time::timeout;

use super::gate::{Gate, WAIT, until_somebody_waits};
use super::support::app::{engine, payment, problem};
use super::support::statements::app;
use super::{CANCEL, FIND, RECORD_OF_ANOTHER, STORES_TERMINAL, TestDb, idem_on, pool_at};

#[tokio::test]
async fn the_loser_of_a_race_waits_for_the_winners_record_within_limits() {
    let (db, proxy, app) = start().await;
    let find = proxy.on(FIND, Action::Hold);
    let refused = act(&app, RECORD_OF_ANOTHER).await;
    assert!(find.is_reached());
    assert_eq!(problem(&refused), (503, "try-again".to_owned()));
    assert!(refused.header("retry-after").is_some());
    assert_eq!(db.payments().await, 0);
}

#[tokio::test]
async fn an_attempt_with_a_broken_transaction_stores_its_terminal_response_within_limits() {
    let (_db, proxy, app) = start().await;
    let (number, store) = STORES_TERMINAL;
    let insert = proxy.on_nth(number, store, Action::HoldAnswer);
    let broken = act(&app, "commit").await;
    assert!(insert.is_reached());
    assert_eq!(problem(&broken), (500, "transaction-broken".to_owned()));
}

#[tokio::test]
async fn a_late_cancel_stops_no_statement_of_the_next_user() {
    let db = TestDb::new().await;
    engine(&db).await.pool().close().await;
    let proxy = Proxy::to(&db.url()).await;
    let pool = pool_at(proxy.url(), 2).await;
    let app = super::support::app::app(idem_on(pool.clone()).build());
    let cancel = proxy.on(CANCEL, Action::Hold);
    let stopped = payment("/in-time").key("k").send(&app).await;
    assert_eq!(problem(&stopped), (503, "timeout".to_owned()));
    assert!(cancel.is_reached());

    let direct = db.pool().await;
    let mut gate = Gate::shut(&direct).await;
    let mut next = pool.acquire().await.unwrap();
    let statement = tokio::spawn(async move { next.execute(WAIT).await.map(|_| ()) });
    until_somebody_waits(&direct).await;
    cancel.resume();
    // The other connection comes back when the database has acted.
    drop(pool.acquire().await.unwrap());
    gate.open().await;
    statement.await.unwrap().unwrap();
}

/// Under an overload every waiter is late when its turn comes. If each closed the connection that the pool tests for it,
/// the node would soon have none.
#[tokio::test]
async fn who_waits_no_longer_for_a_connection_leaves_it_in_the_pool() {
    let db = TestDb::new().await;
    engine(&db).await.pool().close().await;
    let proxy = Proxy::to(&db.url()).await;
    let pool = pool_at(proxy.url(), 1).await;
    let impatient = idem_on(pool.clone()).acquire_timeout(Duration::from_millis(100));
    let app = super::support::app::app(impatient.build());
    proxy.pause();
    let refused = payment("/in-time").key("k").send(&app).await;
    assert_eq!(pool.size(), 1);
    assert_eq!(problem(&refused), (503, "store-unavailable".to_owned()));
    proxy.resume();
    while pool.num_idle() == 0 {
        a_moment().await;
    }
    assert_eq!(pool.size(), 1);
}

/// The application reaches its database through the proxy.
async fn start() -> (TestDb, Proxy, Router) {
    let db = TestDb::new().await;
    engine(&db).await.pool().close().await;
    let proxy = Proxy::to(&db.url()).await;
    let pool = pool_at(proxy.url(), 10).await;
    let app = app(idem_on(pool).build(), std::sync::Arc::default());
    (db, proxy, app)
}

/// The response of a handler that runs this statement.
async fn act(app: &Router, sql: &str) -> Answer {
    let act = payment("/act-in-time").key("k").header("x-sql", sql);
    let answered = timeout(Duration::from_secs(30), act.send(app)).await;
    answered.unwrap()
}
