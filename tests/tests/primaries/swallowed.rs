//! A handler continues although another node's transaction has ended its own.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use idem_axum::{HasIdempotency, Idempotency, Tx, idempotent};
use idem_tests::clients::is_refusal;
use idem_tests::http::{self, Answer, Attempt};
use sqlx::mysql::MySqlDatabaseError;
use sqlx::{MySql, MySqlPool};
use tokio::sync::Notify;

use crate::cluster::{Cluster, NODES};

#[derive(Clone, HasIdempotency)]
struct AppState {
    idem: Idempotency<MySql>,
    gate: Arc<Gate>,
}

#[derive(Default)]
struct Gate {
    entered: Notify,
    open: Notify,
}

const COUNT_ONE: &str = "update counter set n = n + 1";

/// Ignores the error of its second statement.
#[idempotent(scope = "global", ttl = "24h")]
async fn swallow(State(app): State<AppState>, mut tx: Tx<MySql>) -> Result<StatusCode, StatusCode> {
    let first = sqlx::query(COUNT_ONE).execute(&mut *tx).await;
    assert_eq!(first.unwrap().rows_affected(), 1);
    app.gate.entered.notify_one();
    app.gate.open.notified().await;
    let error = sqlx::query(COUNT_ONE).execute(&mut *tx).await.unwrap_err();
    let error = error.into_database_error().unwrap();
    assert_eq!(error.downcast::<MySqlDatabaseError>().number(), 1213);
    let paid = sqlx::query("insert into paid values (1)")
        .execute(&mut *tx)
        .await;
    assert_eq!(paid.unwrap().rows_affected(), 1);
    Ok(StatusCode::CREATED)
}

/// Begins a transaction inside of its own, and counts and pays together or not at all.
#[idempotent(scope = "global", ttl = "24h")]
async fn nest(State(app): State<AppState>, mut tx: Tx<MySql>) -> Result<StatusCode, StatusCode> {
    let first = sqlx::query(COUNT_ONE).execute(&mut *tx).await;
    assert_eq!(first.unwrap().rows_affected(), 1);
    app.gate.entered.notify_one();
    app.gate.open.notified().await;
    let pay = async {
        let mut inner = tx.begin().await?;
        let pay = sqlx::query("insert into paid values (1)");
        pay.execute(&mut *inner).await?;
        inner.commit().await
    };
    pay.await.map_err(|_: sqlx::Error| StatusCode::CONFLICT)?;
    Ok(StatusCode::CREATED)
}

#[tokio::test]
async fn a_handler_that_swallows_a_conflict_commits_nothing() {
    let lost = Lost::at("/swallow").await;
    assert_eq!(lost.answer.status, 500, "{:?}", lost.answer);
    lost.counted_everywhere((10, 0)).await;
    // What it did beside its transaction is not known, so it does not run again.
    assert!(lost.attempt.send(&lost.app).await.is_replay());
}

/// MySQL begins another transaction at the savepoint then, without a word.
#[tokio::test]
async fn a_handler_that_goes_on_in_a_savepoint_after_a_conflict_commits_nothing() {
    let lost = Lost::at("/nest").await;
    // On Galera the handler hears of it.
    let told = lost.answer.status == 409 || is_refusal(&lost.answer, 503);
    assert!(told, "{:?}", lost.answer);
    lost.counted_everywhere((10, 0)).await;
    lost.gate.open.notify_one();
    let retry = lost.attempt.send(&lost.app).await;
    assert_eq!(retry.status, 201, "{retry:?}");
    assert!(!retry.is_replay(), "{retry:?}");
    lost.counted_everywhere((11, 1)).await;
}

/// An attempt whose transaction another node has ended in the middle of the handler.
struct Lost {
    cluster: Cluster,
    app: Router,
    gate: Arc<Gate>,
    attempt: Attempt,
    answer: Answer,
}

impl Lost {
    async fn at(path: &str) -> Self {
        let cluster = Cluster::lend().await;
        let pool = MySqlPool::connect(&cluster.url(0)).await.unwrap();
        sqlx::raw_sql(TABLES).execute(&pool).await.unwrap();
        let idem = Idempotency::new(pool);
        idem.migrate().await.unwrap();
        let gate = Arc::<Gate>::default();
        let app = Router::new().route("/swallow", post(swallow));
        let app = app.route("/nest", post(nest)).with_state(AppState {
            idem,
            gate: Arc::clone(&gate),
        });

        let attempt = http::post(path).key("k");
        let running = {
            let (attempt, app) = (attempt.clone(), app.clone());
            tokio::spawn(async move { attempt.send(&app).await })
        };
        gate.entered.notified().await;
        let mut other = cluster.connect(1).await;
        let ten = sqlx::query("update counter set n = n + 10")
            .execute(&mut other)
            .await;
        ten.unwrap();
        // Once it is visible there, the handler's transaction is over.
        assert_eq!(counted(&cluster, 0).await, (10, 0));
        gate.open.notify_one();
        let answer = running.await.unwrap();
        Self {
            cluster,
            app,
            gate,
            attempt,
            answer,
        }
    }

    async fn counted_everywhere(&self, expected: (i32, i64)) {
        for node in NODES {
            let found = counted(&self.cluster, node).await;
            assert_eq!(found, expected, "on node {node}");
        }
    }
}

/// The counter, and the number of payments.
async fn counted(cluster: &Cluster, node: usize) -> (i32, i64) {
    let count = "select (select n from counter), (select count(*) from paid)";
    let mut conn = cluster.connect(node).await;
    sqlx::query_as(count).fetch_one(&mut conn).await.unwrap()
}

const TABLES: &str = "create table counter (id int primary key, n int not null); \
    create table paid (id int primary key); insert into counter values (1, 0)";
