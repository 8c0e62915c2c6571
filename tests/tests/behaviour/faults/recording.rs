//! Work without a `Tx` is recorded even if the session of its claim is lost.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use idem_tests::a_moment;
use idem_tests::http::Answer;
use serde_json::Value;
use sqlx::pool::PoolConnection;
use sqlx::{AssertSqlSafe, Pool};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::http::without_tx::{app, then};
use super::support::app::{Gate, engine, has_paid, problem};
use super::{Db, KILL_OTHERS, TestDb, idem_on};

#[tokio::test]
async fn work_without_a_tx_is_recorded_once_a_connection_is_free() {
    let work = Work::at_gate().await;
    let taken = work.take_all_connections().await;
    work.gate.open.notify_one();
    let mut answer = work.running;
    let early = timeout(PATIENCE * 3, &mut answer).await;
    assert!(
        early.is_err(),
        "it was answered before it was recorded: {early:?}"
    );
    let duplicate = then("gate").send(&work.app).await;
    assert_eq!(problem(&duplicate), (409, "in-flight".to_owned()));
    drop(taken);
    let first = answer.await.unwrap();
    assert!(has_paid(&first), "{first:?}");
    let retry = then("gate").send(&work.app).await;
    assert!(retry.is_replay(), "{retry:?}");
    assert_eq!(retry.body, first.body);
    assert_eq!(work.db.payments().await, 1);
}

#[tokio::test]
async fn work_that_cannot_be_recorded_in_time_is_reported_as_done_and_recorded_later() {
    let work = Work::at_gate().await;
    let taken = work.take_all_connections().await;
    work.gate.open.notify_one();
    let told = work.running.await.unwrap();
    assert_eq!(problem(&told), (500, "done-not-recorded".to_owned()));
    assert_eq!(told.json::<Value>()["retryable"], false);
    assert_eq!(told.header("retry-after"), None);
    let duplicate = then("gate").send(&work.app).await;
    assert_eq!(problem(&duplicate), (409, "in-flight".to_owned()));
    drop(taken);
    let recorded = async {
        loop {
            let retry = then("gate").send(&work.app).await;
            if retry.status != 409 {
                return retry;
            }
            a_moment().await;
        }
    };
    let retry = timeout(Duration::from_secs(30), recorded).await.unwrap();
    assert!(retry.is_replay() && retry.status == 201, "{retry:?}");
    assert_eq!(work.db.payments().await, 1);
}

/// A payment through the pool that is committed while its handler still runs.
struct Work {
    db: TestDb,
    pool: Pool<Db>,
    app: Router,
    gate: Arc<Gate>,
    running: JoinHandle<Answer>,
}

impl Work {
    async fn at_gate() -> Self {
        let db = TestDb::new().await;
        engine(&db).await.pool().close().await;
        let pool = db.pool_of(2).await;
        // They are there before an attempt waits for one.
        drop((pool.acquire().await.unwrap(), pool.acquire().await.unwrap()));
        let idem = idem_on(pool.clone()).timeout(Duration::from_secs(6));
        let (app, gate) = app(idem.acquire_timeout(PATIENCE).build());
        let mut running = tokio::spawn({
            let app = app.clone();
            async move { then("gate").send(&app).await }
        });
        tokio::select! {
            () = gate.entered.notified() => {}
            answer = &mut running => panic!("it did not get to the gate: {answer:?}"),
        }
        Self {
            db,
            pool,
            app,
            gate,
            running,
        }
    }

    /// Ends the session of the claim, and takes all connections.
    async fn take_all_connections(&self) -> [PoolConnection<Db>; 2] {
        end_sessions(&self.db).await;
        [
            self.pool.acquire().await.unwrap(),
            self.pool.acquire().await.unwrap(),
        ]
    }
}

/// Ends all sessions of a database, as a server does with those idle for too long.
pub async fn end_sessions(db: &TestDb) {
    let direct = db.pool_of(1).await;
    let ids: Vec<i64> = sqlx::query_scalar(KILL_OTHERS[0])
        .fetch_all(&direct)
        .await
        .unwrap();
    for id in ids {
        let kill = AssertSqlSafe(KILL_OTHERS[1].replace('?', &id.to_string()));
        // It may have ended by itself.
        drop(sqlx::raw_sql(kill).execute(&direct).await);
    }
}

/// How long attempts wait for a connection.
const PATIENCE: Duration = Duration::from_millis(300);
