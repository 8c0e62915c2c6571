//! Observed attempts on several primaries at once.

use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;
use idem_axum::{HasIdempotency, Idempotency, RolloutMode, Tx, idempotent};
use idem_tests::clients::{is_refusal, keys};
use idem_tests::http::{self, Attempt};
use sqlx::{MySql, MySqlPool};
use tokio::task::JoinSet;

use crate::cluster::{Cluster, NODES};

#[derive(Clone, HasIdempotency)]
struct AppState {
    idem: Idempotency<MySql>,
}

/// Its write never conflicts; the records may.
#[idempotent(scope = "global", ttl = "24h")]
async fn write(mut tx: Tx<MySql>, key: String) -> Result<StatusCode, StatusCode> {
    let insert = sqlx::query("insert into effect (of_key) values (?)").bind(key);
    let inserted = insert.execute(&mut *tx).await;
    inserted.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(StatusCode::CREATED)
}

fn attempt(key: &str) -> Attempt {
    http::post("/").key(key).body(key.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_reported_effect_exists_and_each_key_has_its_record() {
    let cluster = Cluster::lend().await;
    let table = "create table effect (id bigint auto_increment primary key, \
        of_key varchar(40) not null)";
    let mut conn = cluster.connect(0).await;
    sqlx::raw_sql(table).execute(&mut conn).await.unwrap();
    let mut nodes = Vec::new();
    for node in NODES {
        let pool = MySqlPool::connect(&cluster.url(node)).await.unwrap();
        let idem = Idempotency::builder(pool).rollout("observe".parse().unwrap());
        let idem = idem.build();
        idem.migrate().await.unwrap();
        let routes: Router<AppState> = Router::new().route("/", post(write));
        nodes.push((idem.clone(), routes.with_state(AppState { idem })));
    }

    let keys = keys("k", 60);
    let mut sent = JoinSet::new();
    for key in &keys {
        for (_, app) in &nodes {
            let (attempt, app) = (attempt(key), app.clone());
            sent.spawn(async move { attempt.send(&app).await });
        }
    }
    let mut told = 0;
    while let Some(answer) = sent.join_next().await {
        let answer = answer.unwrap();
        match answer.status {
            StatusCode::CREATED => told += 1,
            // Another node's transaction was certified first.
            _ if is_refusal(&answer, 503) => {}
            _ => panic!("{answer:?}"),
        }
    }
    let count = "select (select count(*) from effect), count(*) from idem_record";
    for node in NODES {
        let mut conn = cluster.connect(node).await;
        let (effects, records): (i64, i64) =
            sqlx::query_as(count).fetch_one(&mut conn).await.unwrap();
        assert_eq!(effects, told, "effects on node {node}");
        assert_eq!(usize::try_from(records), Ok(keys.len()), "node {node}");
    }
    // So each key is replayed wherever it is enforced from now on.
    for (idem, app) in &nodes {
        idem.rollout().set("*", RolloutMode::Enforce);
        for key in &keys {
            let answer = attempt(key).send(app).await;
            assert!(answer.is_replay(), "{answer:?}");
        }
    }
}
