//! No advisory lock of Idem outlives its attempt, whatever the outcome.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use idem_axum::Idempotency;
use idem_tests::proxy::{Action, Proxy};
use sqlx::Pool;
use sqlx::postgres::PgPoolOptions;
use tokio::time::timeout;

use super::support::app::{Gate, app, app_with, engine, payment};
use super::support::scripted_app::send;
use super::{Db, STORES, TestDb};

#[tokio::test]
async fn no_outcome_of_an_attempt_leaves_a_lock_behind() {
    let db = TestDb::new().await;
    let pool = engine(&db).await.pool().clone();
    let gate = Arc::<Gate>::default();
    let app = app_with(Idempotency::new(pool.clone()), Arc::clone(&gate));
    let running = send(&app, payment("/gate").key("k"));
    gate.entered.notified().await;
    assert_eq!(locks(&pool).await, 1);
    gate.open.notify_one();
    assert_eq!(running.await.unwrap().status, 201);
    no_lock_is_left(&pool, "the gate").await;
    for (then, status) in [
        ("402", 402),
        ("409", 409),
        ("fail", 500),
        ("panic", 500),
        ("commit", 500),
        ("rollback", 500),
        ("forget", 500),
    ] {
        let pay = payment("/then").key(then).header("x-then", then);
        assert_eq!(pay.send(&app).await.status, status, "{then}");
        no_lock_is_left(&pool, then).await;
    }
    let paid = payment("/payments").key("k").send(&app).await;
    assert_eq!(paid.status, 201, "{paid:?}");
    no_lock_is_left(&pool, "success").await;
    assert!(payment("/payments").key("k").send(&app).await.is_replay());
    no_lock_is_left(&pool, "replay").await;
    let late = payment("/in-time").key("k").header("x-then", "wait");
    assert_eq!(late.send(&app).await.status, 503);
    no_lock_is_left(&pool, "timeout").await;
}

#[tokio::test]
async fn a_lost_connection_leaves_no_lock_behind() {
    let db = TestDb::new().await;
    let direct = engine(&db).await.pool().clone();
    let proxy = Proxy::to(&db.url()).await;
    let pool = PgPoolOptions::new().connect(proxy.url()).await.unwrap();
    let app: Router = app(Idempotency::new(pool));
    let (number, store) = STORES;
    for (number, statement, action) in [
        (1, "insert into payment", Action::CutAnswer),
        (number, store, Action::CutAnswer),
        (1, "commit", Action::Cut),
    ] {
        let cut = proxy.on_nth(number, statement, action);
        let lost = payment("/payments").key("k").send(&app).await;
        assert!(cut.is_reached());
        assert!(lost.status.is_server_error(), "{lost:?}");
        no_lock_is_left(&direct, statement).await;
    }
    assert_eq!(db.payments().await, 0);
    // Nothing has run by then, so it is begun once more.
    let cut = proxy.on("begin", Action::CutAnswer);
    let paid = payment("/payments").key("k").send(&app).await;
    assert!(cut.is_reached() && paid.status == 201, "{paid:?}");
    no_lock_is_left(&direct, "begin").await;
}

/// A closed connection's locks go when the server notices, perhaps after the client continues.
async fn no_lock_is_left(pool: &Pool<Db>, after: &str) {
    let gone = async { while locks(pool).await > 0 {} };
    let gone = timeout(Duration::from_secs(10), gone).await;
    assert!(gone.is_ok(), "a lock is left after {after}");
}

async fn locks(pool: &Pool<Db>) -> i64 {
    sqlx::query_scalar(
        "select count(*) from pg_locks join pg_database on pg_database.oid = database \
         where locktype = 'advisory' and datname = current_database()",
    )
    .fetch_one(pool)
    .await
    .unwrap()
}
