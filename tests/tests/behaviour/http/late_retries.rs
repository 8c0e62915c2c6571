//! A key that comes after its ttl runs, or is refused where the operation says so.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use idem_axum::RolloutMode::{Enforce, Observe, Validate};
use idem_axum::engine::{Invalidated, RecordFilter};
use idem_axum::{Idempotency, Scope, Tx, idempotent};
use idem_tests::a_moment;
use idem_tests::http::{self, Attempt};
use idem_tests::log::Log;
use serde_json::{Value, json};
use sqlx::Executor;
use tokio::task::JoinHandle;

use super::super::support::app::{
    AppState, FIVE, NewPayment, Paid, Tenant, app, engine, has_paid, invalidate, once_it_is_over,
    pay, payment, problem,
};
use super::super::{
    Db, INSERT_PAYMENT, LOCK_RECORDS, RECORD, TOMBSTONE, TestDb, WAITS_FOR_RECORDS, age_records,
    end_refusals, idem_on,
};
use super::log::says;

const MONTH: Duration = Duration::from_secs(30 * 24 * 3600);

/// A handle that refuses late retries for a month.
async fn refusing(db: &TestDb) -> Idempotency<Db> {
    let idem = idem_on(db.pool().await).refuse_late_retries(MONTH).build();
    idem.migrate().await.unwrap();
    idem
}

async fn tombstones(idem: &Idempotency<Db>) -> i64 {
    let count = sqlx::AssertSqlSafe(format!("select count(*) from {TOMBSTONE}"));
    sqlx::query_scalar(count)
        .fetch_one(idem.pool())
        .await
        .unwrap()
}

fn expired() -> (u16, String) {
    (422, "key-expired".to_owned())
}

#[tokio::test]
async fn a_late_retry_is_refused_before_and_after_a_sweep() {
    let db = TestDb::new().await;
    let idem = refusing(&db).await;
    let app = app(idem.clone());
    let pay = payment("/payments").key("k");
    assert!(has_paid(&pay.send(&app).await));
    assert!(pay.send(&app).await.is_replay());
    age_records(idem.pool()).await;
    let refused = pay.send(&app).await;
    assert_eq!(problem(&refused), expired());
    assert_eq!(refused.json::<Value>()["retryable"], false);
    // Another request with the key is not told what is stored.
    assert_eq!(
        problem(&pay.clone().body(r#"{"amount":6}"#).send(&app).await),
        expired()
    );
    assert_eq!(idem.sweep().await.unwrap(), 1);
    assert_eq!(tombstones(&idem).await, 1);
    for _ in 0..2 {
        assert_eq!(problem(&pay.send(&app).await), expired());
    }
    assert_eq!(db.payments().await, 1);
}

#[tokio::test]
async fn the_key_of_a_refused_retry_is_free_elsewhere() {
    let db = TestDb::new().await;
    let idem = refusing(&db).await;
    let app = app(idem.clone());
    assert!(has_paid(&payment("/payments").key("k").send(&app).await));
    age_records(idem.pool()).await;
    for is_swept in [false, true] {
        let tenant = if is_swept {
            "Bearer initech"
        } else {
            "Bearer globex"
        };
        let other = http::post("/payments").header("authorization", tenant);
        let others = [
            payment("/payments").key(if is_swept { "k2" } else { "k1" }),
            payment("/waiting").key(if is_swept { "k2" } else { "k1" }),
            other.json(&json!({ "amount": 5 })).key("k"),
        ];
        for other in others {
            assert!(has_paid(&other.send(&app).await), "{other:?}");
            assert!(other.send(&app).await.is_replay(), "{other:?}");
        }
        idem.sweep().await.unwrap();
    }
}

#[tokio::test]
async fn a_key_runs_again_once_its_refusal_is_over() {
    let db = TestDb::new().await;
    let idem = refusing(&db).await;
    let app = app(idem.clone());
    let pay = payment("/payments").key("k");
    assert!(has_paid(&pay.send(&app).await));
    age_records(idem.pool()).await;
    end_refusals(idem.pool()).await;
    // By the record.
    assert!(has_paid(&pay.send(&app).await));
    // Its successor refuses the key anew.
    age_records(idem.pool()).await;
    assert_eq!(problem(&pay.send(&app).await), expired());
    assert_eq!(idem.sweep().await.unwrap(), 1);
    // By the tombstone.
    end_refusals(idem.pool()).await;
    assert!(has_paid(&pay.send(&app).await));
    assert_eq!(idem.sweep().await.unwrap(), 0);
    assert_eq!(tombstones(&idem).await, 0);
    assert!(pay.send(&app).await.is_replay());
    assert_eq!(db.payments().await, 3);
}

#[tokio::test]
async fn a_record_whose_refusal_is_over_leaves_no_tombstone() {
    let db = TestDb::new().await;
    let idem = refusing(&db).await;
    assert!(has_paid(
        &payment("/payments").key("k").send(&app(idem.clone())).await
    ));
    age_records(idem.pool()).await;
    end_refusals(idem.pool()).await;
    assert_eq!(idem.sweep().await.unwrap(), 1);
    assert_eq!(tombstones(&idem).await, 0);
}

/// Two operations, each with the option that its handle does not have.
#[idempotent(scope = "tenant", late_retries = "refuse 1h")]
async fn refuse(Tenant(tenant): Tenant, mut tx: Tx<Db>, Json(new): Json<NewPayment>) -> Paid {
    pay(&mut tx, &tenant, new).await
}

#[idempotent(scope = "tenant", late_retries = "run")]
async fn run(Tenant(tenant): Tenant, mut tx: Tx<Db>, Json(new): Json<NewPayment>) -> Paid {
    pay(&mut tx, &tenant, new).await
}

/// Pays through the pool.
#[idempotent(scope = "tenant", late_retries = "refuse 1h")]
async fn refuse_without_tx(
    State(state): State<AppState>,
    Tenant(tenant): Tenant,
    _: Bytes,
) -> StatusCode {
    let insert = sqlx::query(INSERT_PAYMENT)
        .bind(tenant)
        .bind(FIVE.amount)
        .bind("-");
    insert.execute(state.idem.pool()).await.unwrap();
    StatusCode::CREATED
}

fn operations(idem: &Idempotency<Db>) -> Router {
    Router::new()
        .route("/refuse", post(refuse))
        .route("/run", post(run))
        .route("/without-tx", post(refuse_without_tx))
        .with_state(AppState::new(idem.clone()))
}

#[tokio::test]
async fn an_operations_option_overrides_the_handles() {
    let db = TestDb::new().await;
    let (plain, refusing) = (engine(&db).await, refusing(&db).await);
    for (idem, path, refuses) in [
        (&plain, "/refuse", true),
        (&plain, "/without-tx", true),
        (&refusing, "/run", false),
    ] {
        let app = operations(idem);
        let pay = payment(path).key(path);
        assert!(has_paid(&pay.send(&app).await), "{path}");
        assert!(pay.send(&app).await.is_replay(), "{path}");
        let filter = RecordFilter::default().key(path.parse().unwrap());
        let found = idem.records(&filter, None, 2).await.unwrap();
        let [record] = &found[..] else { panic!() };
        let until = record.refused_until;
        let hour = until.map(|until| until.duration_since(record.expires_at).unwrap());
        let wanted = refuses.then_some(Duration::from_secs(3600));
        assert_eq!(hour, wanted, "{path}");
        for _ in 0..2 {
            age_records(idem.pool()).await;
            let late = pay.send(&app).await;
            match refuses {
                true => assert_eq!(problem(&late), expired(), "{path}"),
                false => assert!(has_paid(&late), "{path} {late:?}"),
            }
            idem.sweep().await.unwrap();
        }
    }
    assert_eq!(tombstones(&plain).await, 2);
    assert_eq!(db.payments().await, 5);
}

/// A rolling deploy that turns the option on, or off again.
#[tokio::test]
async fn a_record_is_refused_late_only_if_it_was_stored_with_the_option() {
    let db = TestDb::new().await;
    let (plain, refusing) = (engine(&db).await, refusing(&db).await);
    let (with, without) = (app(refusing.clone()), app(plain.clone()));
    let pay = payment("/payments").key("stored-without-it");
    assert!(has_paid(&pay.send(&without).await));
    age_records(plain.pool()).await;
    assert!(has_paid(&pay.send(&with).await));

    let pay = payment("/payments").key("stored-with-it");
    assert!(has_paid(&pay.send(&with).await));
    age_records(plain.pool()).await;
    assert_eq!(problem(&pay.send(&with).await), expired());
    // A node without the option runs it, and from then on it is replayed. The refused attempt may hold the
    // name a moment longer than its response, as a replay may.
    assert!(has_paid(&once_it_is_over(&pay, &without).await));
    assert!(pay.send(&with).await.is_replay());

    let pay = payment("/payments").key("swept-without-it");
    assert!(has_paid(&pay.send(&with).await));
    age_records(plain.pool()).await;
    plain.sweep().await.unwrap();
    assert_eq!(problem(&pay.send(&with).await), expired());
    assert!(has_paid(&once_it_is_over(&pay, &without).await));
    assert!(pay.send(&with).await.is_replay());
}

#[tokio::test]
async fn duplicates_of_a_late_retry_are_refused_together() {
    let db = TestDb::new().await;
    let idem = refusing(&db).await;
    let app = app(idem.clone());
    let pay = payment("/waiting").key("k");
    assert!(has_paid(&pay.send(&app).await));
    age_records(idem.pool()).await;
    let late: Vec<_> = (0..10).map(|_| send(&app, pay.clone())).collect();
    for late in late {
        assert_eq!(problem(&late.await.unwrap()), expired());
    }
    assert_eq!(db.payments().await, 1);
}

fn send(app: &Router, attempt: Attempt) -> JoinHandle<http::Answer> {
    let app = app.clone();
    tokio::spawn(async move { attempt.send(&app).await })
}

/// What a sweep does in its first statement.
fn write_tombstones() -> sqlx::AssertSqlSafe<String> {
    sqlx::AssertSqlSafe(format!(
        "insert into {TOMBSTONE} (digest, expires_at) select tombstone, refused_until from {RECORD}"
    ))
}

#[tokio::test]
async fn a_sweep_that_died_between_its_two_statements_is_finished_by_the_next() {
    let db = TestDb::new().await;
    let idem = refusing(&db).await;
    let app = app(idem.clone());
    let pay = payment("/payments").key("k");
    assert!(has_paid(&pay.send(&app).await));
    age_records(idem.pool()).await;
    idem.pool()
        .execute(sqlx::raw_sql(write_tombstones()))
        .await
        .unwrap();
    assert_eq!(problem(&pay.send(&app).await), expired());
    assert_eq!(idem.sweep().await.unwrap(), 1);
    assert_eq!(tombstones(&idem).await, 1);
    assert_eq!(problem(&pay.send(&app).await), expired());
}

/// The claim looks at the record when the sweep has it locked, and sees what the sweep has left.
#[tokio::test]
async fn a_claim_that_meets_a_sweep_sees_the_record_or_its_tombstone() {
    let db = TestDb::new().await;
    let idem = refusing(&db).await;
    let app = app(idem.clone());
    let pay = payment("/payments").key("k");
    assert!(has_paid(&pay.send(&app).await));
    age_records(idem.pool()).await;
    let [lock, unlock] = LOCK_RECORDS;
    let mut sweeper = idem.pool().acquire().await.unwrap();
    sweeper.execute(sqlx::raw_sql(lock)).await.unwrap();
    let late = send(&app, pay.clone());
    while !waits(&idem).await {
        a_moment().await;
    }
    sweeper
        .execute(sqlx::raw_sql(write_tombstones()))
        .await
        .unwrap();
    let delete = sqlx::AssertSqlSafe(format!("delete from {RECORD}"));
    sweeper.execute(sqlx::raw_sql(delete)).await.unwrap();
    sweeper.execute(sqlx::raw_sql(unlock)).await.unwrap();
    drop(sweeper);
    assert_eq!(problem(&late.await.unwrap()), expired());
    assert_eq!(problem(&pay.send(&app).await), expired());
    assert_eq!(db.payments().await, 1);
}

async fn waits(idem: &Idempotency<Db>) -> bool {
    sqlx::query_scalar(WAITS_FOR_RECORDS)
        .fetch_one(idem.pool())
        .await
        .unwrap()
}

#[tokio::test]
async fn invalidating_a_name_removes_its_tombstone_too() {
    let db = TestDb::new().await;
    let idem = refusing(&db).await;
    let app = app(idem.clone());
    let pay = payment("/payments").key("k");
    for is_swept in [false, true] {
        assert!(has_paid(&pay.send(&app).await), "{is_swept}");
        let name = idem
            .records(&RecordFilter::default(), None, 1)
            .await
            .unwrap()[0]
            .name
            .clone();
        age_records(idem.pool()).await;
        if is_swept {
            idem.sweep().await.unwrap();
        }
        assert_eq!(problem(&pay.send(&app).await), expired(), "{is_swept}");
        assert_eq!(invalidate(&idem, &name, "test").await, Invalidated::Gone);
        assert_eq!(invalidate(&idem, &name, "test").await, Invalidated::Absent);
        assert_eq!(tombstones(&idem).await, 0);
    }
    assert!(has_paid(&pay.send(&app).await));
}

#[tokio::test]
async fn erasing_a_scope_leaves_no_tombstone() {
    let db = TestDb::new().await;
    let idem = refusing(&db).await;
    let app = app(idem.clone());
    let pay = payment("/payments").key("k");
    assert!(has_paid(&pay.send(&app).await));
    age_records(idem.pool()).await;
    let scope = Scope::new("acme").unwrap();
    assert_eq!(idem.erase(&scope, "test").await.unwrap(), 1);
    idem.sweep().await.unwrap();
    assert_eq!(tombstones(&idem).await, 0);
    assert!(has_paid(&pay.send(&app).await));
}

#[tokio::test]
async fn sweeping_nodes_write_each_tombstone_once() {
    let db = TestDb::new().await;
    let nodes = [
        refusing(&db).await,
        refusing(&db).await,
        refusing(&db).await,
    ];
    let app = app(nodes[0].clone());
    for key in 0..20 {
        assert!(has_paid(
            &payment("/payments").key(&key.to_string()).send(&app).await
        ));
    }
    age_records(nodes[0].pool()).await;
    let sweeps = nodes
        .clone()
        .map(|idem| tokio::spawn(async move { idem.sweep().await }));
    let mut swept = 0;
    for sweep in sweeps {
        swept += sweep.await.unwrap().unwrap();
    }
    // One that was locked each time is left to the next sweep.
    swept += nodes[0].sweep().await.unwrap();
    assert_eq!((swept, tombstones(&nodes[0]).await), (20, 20));
}

#[tokio::test]
async fn a_late_retry_that_is_not_enforced_runs_and_is_reported() {
    let db = TestDb::new().await;
    let idem = refusing(&db).await;
    let log = Log::shared();
    for (path, app) in [
        ("/payments", app(idem.clone())),
        ("/without-tx", operations(&idem)),
    ] {
        let key = format!("{}{path}", module_path!());
        let pay = payment(path).key(&key);
        idem.rollout().set("*", Enforce);
        assert!(has_paid(&pay.send(&app).await));
        for mode in [Observe, Validate] {
            age_records(idem.pool()).await;
            idem.rollout().set("*", mode);
            assert!(has_paid(&pay.send(&app).await), "{path} {mode}");
            log.until(|text| says(text, &key, "would_expired")).await;
            idem.rollout().set("*", Enforce);
            assert_eq!(problem(&pay.send(&app).await), expired(), "{path} {mode}");
            idem.sweep().await.unwrap();
        }
    }
    assert_eq!(db.payments().await, 6);
}
