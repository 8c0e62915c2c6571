//! A handler continues although another node's transaction has ended its own.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use idem_axum::{HasIdempotency, Idempotency, Tx, idempotent};
use idem_tests::galera::{Cluster, NODES};
use idem_tests::http;
use sqlx::mysql::MySqlDatabaseError;
use sqlx::{MySql, MySqlPool};
use tokio::sync::Notify;

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

#[tokio::test]
#[cfg_attr(idem_no_galera, ignore = "needs mariadbd, galera-4 and rsync")]
async fn a_handler_that_swallows_a_conflict_commits_nothing() {
    let cluster = Cluster::lend().await;
    let pool = MySqlPool::connect(&cluster.url(0)).await.unwrap();
    let tables = "create table counter (id int primary key, n int not null); \
        create table paid (id int primary key); insert into counter values (1, 0)";
    sqlx::raw_sql(tables).execute(&pool).await.unwrap();
    let idem = Idempotency::new(pool);
    idem.migrate().await.unwrap();
    let gate = Arc::<Gate>::default();
    let app = Router::new().route("/swallow", post(swallow));
    let app = app.with_state(AppState {
        idem,
        gate: Arc::clone(&gate),
    });

    let attempt = http::post("/swallow").key("k");
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
    assert_eq!(answer.status, 500, "{answer:?}");
    for node in NODES {
        assert_eq!(counted(&cluster, node).await, (10, 0), "on node {node}");
    }
    // What it did beside its transaction is not known, so it does not run again.
    assert!(attempt.send(&app).await.is_replay());
}

/// The counter, and the number of payments.
async fn counted(cluster: &Cluster, node: usize) -> (i32, i64) {
    let count = "select (select n from counter), (select count(*) from paid)";
    let mut conn = cluster.connect(node).await;
    sqlx::query_as(count).fetch_one(&mut conn).await.unwrap()
}
