//! In every isolation level of MySQL a running attempt locks no gap that another key falls into.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use idem_axum::{Idempotency, Tx, idempotent};
use sqlx::{Executor, Pool};
use tokio::time::timeout;

use super::servers::invisible_record::{refused, start_with};
use super::support::app::{
    AppState, Gate, Tenant, app, app_with, engine, has_paid, once_it_is_over, payment, problem,
};
use super::{Db, TestDb, age_records};

pub const LEVELS: [&str; 4] = [
    "READ-UNCOMMITTED",
    "READ-COMMITTED",
    "REPEATABLE-READ",
    "SERIALIZABLE",
];

#[tokio::test]
async fn neighbouring_keys_do_not_wait_for_a_running_attempt() {
    for level in LEVELS {
        let db = TestDb::new().await;
        engine(&db).await;
        let gate = Arc::<Gate>::default();
        let running = node(pool(&db, level).await, &gate);
        let other = app(Idempotency::new(pool(&db, level).await));
        let first = tokio::spawn({
            let (pay, app) = (payment("/gate").key("m"), running.clone());
            async move { pay.send(&app).await }
        });
        gate.entered.notified().await;
        for key in ["a", "l", "n", "z"] {
            let pay = payment("/payments").key(key);
            let paid = timeout(Duration::from_secs(20), pay.send(&other)).await;
            assert!(has_paid(&paid.unwrap()), "{level} {key}");
        }
        gate.open.notify_one();
        assert!(has_paid(&first.await.unwrap()), "{level}");
        assert_eq!(db.payments().await, 5);
    }
}

/// With keys that are new, expired, and used by two nodes at once.
#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_pay_once_per_key_and_no_client_sees_a_deadlock() {
    for level in LEVELS {
        let db = TestDb::new().await;
        engine(&db).await;
        let nodes = [pool(&db, level).await, pool(&db, level).await];
        let apps = nodes.clone().map(|pool| app(Idempotency::new(pool)));
        for round in 1..=3 {
            let mut sent = tokio::task::JoinSet::new();
            for attempt in 0..120_usize {
                let app = apps[attempt % 2].clone();
                let pay = payment("/waiting").key(&format!("key-{}", attempt / 2 % 20));
                sent.spawn(async move { pay.send(&app).await });
            }
            let answers = sent.join_all().await;
            for answer in &answers {
                assert_eq!(answer.status, 201, "{level} {answer:?}");
            }
            assert_eq!(answers.iter().filter(|answer| has_paid(answer)).count(), 20);
            assert_eq!(db.payments().await, 20 * round, "{level}");
            age_records(&nodes[0]).await;
        }
    }
}

/// Reads a row and waits at the gate.
#[idempotent(scope = "tenant", isolation = "serializable")]
async fn read_serializable(State(state): State<AppState>, _: Tenant, tx: Tx<Db>) -> StatusCode {
    read_and_wait(&state, tx).await
}

/// The same in the session's isolation level.
#[idempotent(scope = "tenant")]
async fn read(State(state): State<AppState>, _: Tenant, tx: Tx<Db>) -> StatusCode {
    read_and_wait(&state, tx).await
}

async fn read_and_wait(state: &AppState, mut tx: Tx<'_, Db>) -> StatusCode {
    let read = sqlx::query_scalar("select amount from payment where id = 1");
    let _: i64 = read.fetch_one(&mut *tx).await.unwrap();
    state.gate.entered.notify_one();
    state.gate.open.notified().await;
    StatusCode::CREATED
}

/// Others cannot change what a serializable attempt has read before it ends.
#[tokio::test]
async fn only_an_attempt_that_asks_for_it_is_serializable() {
    let db = TestDb::new().await;
    let state = AppState::new(engine(&db).await);
    assert!(has_paid(
        &payment("/payments")
            .key("k")
            .send(&app(state.idem.clone()))
            .await
    ));
    let app = Router::new()
        .route("/serializable", post(read_serializable))
        .route("/read", post(read))
        .with_state(state.clone());
    let outside = db.pool_of(1).await;
    for (key, path, locks) in [
        ("1", "/read", false),
        ("2", "/serializable", true),
        ("3", "/read", false),
    ] {
        let mut reading = tokio::spawn({
            let (read, app) = (payment(path).key(key), app.clone());
            async move { read.send(&app).await }
        });
        tokio::select! {
            () = state.gate.entered.notified() => {}
            answer = &mut reading => panic!("it did not get to the gate: {answer:?}"),
        }
        let lock = sqlx::query("select 1 from payment where id = 1 for update nowait");
        assert_eq!(lock.execute(&outside).await.is_err(), locks, "{path}");
        state.gate.open.notify_one();
        assert!(has_paid(&reading.await.unwrap()));
    }
}

/// Even if the application's sessions are READ UNCOMMITTED.
#[tokio::test]
async fn a_record_that_never_commits_is_not_replayed() {
    let (db, app, record) = start_with(async |db: &TestDb| {
        engine(db).await;
        Idempotency::new(pool(db, "READ-UNCOMMITTED").await)
    })
    .await;
    let pay = refused(&app).await;
    record.rollback().await.unwrap();
    assert!(has_paid(&once_it_is_over(&pay, &app).await));
    assert_eq!(db.payments().await, 2);
}

/// A transaction that is rolled back has deleted the record or the tombstone that refuses a late retry.
#[tokio::test]
async fn a_refusal_is_what_is_committed_at_every_isolation_level() {
    for level in LEVELS {
        let db = TestDb::new().await;
        let idem = Idempotency::builder(pool(&db, level).await);
        let idem = idem.refuse_late_retries(Duration::from_secs(3600)).build();
        idem.migrate().await.unwrap();
        let (app, pay) = (app(idem.clone()), payment("/payments").key("k"));
        assert!(has_paid(&pay.send(&app).await), "{level}");
        age_records(idem.pool()).await;
        let elsewhere = db.pool_of(1).await;
        for is_swept in [false, true] {
            if is_swept {
                idem.sweep().await.unwrap();
            }
            let mut deletion = elsewhere.begin_with("begin").await.unwrap();
            let delete = "delete from idem_record; delete from idem_tombstone";
            deletion.execute(sqlx::raw_sql(delete)).await.unwrap();
            let refused = once_it_is_over(&pay, &app).await;
            let expected = (422, "key-expired".to_owned());
            assert_eq!(problem(&refused), expected, "{level} {is_swept}");
            deletion.rollback().await.unwrap();
        }
        assert_eq!(db.payments().await, 1, "{level}");
    }
}

fn node(pool: Pool<Db>, gate: &Arc<Gate>) -> Router {
    app_with(Idempotency::new(pool), Arc::clone(gate))
}

/// A pool of sessions with this isolation level.
pub async fn pool(db: &TestDb, level: &str) -> Pool<Db> {
    let name = "/*M!100000 tx_isolation *//*!80000 transaction_isolation */";
    db.pool_with(5, &[(name, &format!("'{level}'"))]).await
}
