//! Work without a `Tx` outlives the session whose lock excludes its duplicates.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use idem_tests::http::Answer;
use idem_tests::proxy::{Action, Proxy};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::faults::recording::end_sessions;
use super::http::without_tx::{app, then};
use super::support::app::{Gate, engine, has_paid, payment, problem};
use super::{ASKS, SHORT_IDLE, TestDb, idem_on, pool_at};

#[tokio::test]
async fn work_that_outlives_the_idle_limit_is_recorded_and_excludes_duplicates() {
    let nodes = Nodes::start(&[SHORT_IDLE]).await;
    // As long as the server takes to end a session that is idle.
    sleep(Duration::from_millis(2500)).await;
    let duplicate = then("gate").send(&nodes.other).await;
    assert_eq!(problem(&duplicate), (409, "in-flight".to_owned()));
    nodes.ends_recorded_once().await;
}

#[tokio::test]
async fn work_whose_session_is_lost_is_recorded() {
    let nodes = Nodes::start(&[]).await;
    end_sessions(&nodes.db).await;
    nodes.ends_recorded_once().await;
}

#[tokio::test]
async fn a_lost_lock_is_taken_again_while_the_work_continues() {
    let db = TestDb::new().await;
    engine(&db).await.pool().close().await;
    let proxy = Proxy::to(&db.url()).await;
    let (mine, gate) = app(idem_on(pool_at(proxy.url(), 4).await).build());
    let (other, _) = app(idem_on(db.pool_of(2).await).build());
    let running = tokio::spawn(async move { then("gate").send(&mine).await });
    gate.entered.notified().await;
    let asked = proxy.on(ASKS, Action::HoldAnswer);
    proxy.cut();
    asked.reached().await;
    asked.resume();
    let duplicate = then("gate").send(&other).await;
    assert_eq!(problem(&duplicate), (409, "in-flight".to_owned()));
    gate.open.notify_one();
    let first = running.await.unwrap();
    assert!(has_paid(&first), "{first:?}");
    assert_eq!(db.payments().await, 1);
}

#[tokio::test]
async fn dead_connections_in_the_pool_fail_no_request() {
    let db = TestDb::new().await;
    engine(&db).await.pool().close().await;
    let pool = db.untested_pool(3).await;
    for path in ["/payments", "/without/pool"] {
        let idem = idem_on(pool.clone()).build();
        let all = [
            pool.acquire().await,
            pool.acquire().await,
            pool.acquire().await,
        ];
        assert!(all.iter().all(Result::is_ok));
        drop(all);
        end_sessions(&db).await;
        let app = super::support::app::app(idem.clone()).nest("/without", app(idem).0);
        let paid = payment(path).key("k").send(&app).await;
        assert!(has_paid(&paid), "{path}: {paid:?}");
    }
}

/// Two nodes, and on one of them a committed payment through the pool whose handler still runs.
struct Nodes {
    db: TestDb,
    mine: Router,
    other: Router,
    gate: Arc<Gate>,
    running: JoinHandle<Answer>,
}

impl Nodes {
    async fn start(settings: &[(&str, &str)]) -> Self {
        let db = TestDb::new().await;
        engine(&db).await.pool().close().await;
        let (mine, gate) = app(idem_on(db.pool_with(4, settings).await).build());
        let (other, _) = app(idem_on(db.pool_of(2).await).build());
        let mut running = tokio::spawn({
            let mine = mine.clone();
            async move { then("gate").send(&mine).await }
        });
        tokio::select! {
            () = gate.entered.notified() => {}
            answer = &mut running => panic!("it did not get to the gate: {answer:?}"),
        }
        Self {
            db,
            mine,
            other,
            gate,
            running,
        }
    }

    async fn ends_recorded_once(self) {
        self.gate.open.notify_one();
        let first = timeout(Duration::from_secs(30), self.running).await;
        let first = first.unwrap().unwrap();
        assert!(has_paid(&first), "{first:?}");
        for node in [&self.mine, &self.other] {
            let retry = then("gate").send(node).await;
            assert!(retry.is_replay(), "{retry:?}");
            assert_eq!(retry.body, first.body);
        }
        assert_eq!(self.db.payments().await, 1);
    }
}
