//! What the attribute does in each mode of a rollout.

use axum::Router;
use axum::routing::post;
use idem_axum::RolloutMode::{Enforce, Observe, Off, Validate};
use idem_axum::engine::Idempotency;
use idem_axum::{Tx, idempotent};
use idem_tests::http::{self, Answer, Attempt};
use idem_tests::log::Log;
use serde_json::json;

use super::http::log::says;
use super::support::app::{
    AppState, FIVE, Paid, Payment, Tenant, app, engine, engine_in, has_paid, pay, payment, problem,
};
use super::{Db, RECORD, TestDb};

/// A database, an engine with this rollout plan, and the application.
pub async fn start_in(plan: &str) -> (TestDb, Idempotency<Db>, Router) {
    let db = TestDb::new().await;
    let idem = engine_in(&db, plan).await;
    let app = app(idem.clone());
    (db, idem, app)
}

pub async fn records(idem: &Idempotency<Db>) -> i64 {
    let count = format!("select count(*) from {RECORD}");
    let count = sqlx::query_scalar(sqlx::AssertSqlSafe(count));
    count.fetch_one(idem.pool()).await.unwrap()
}

#[tokio::test]
async fn off_runs_the_handler_as_without_the_attribute() {
    let (db, idem, app) = start_in("off").await;
    let pay = payment("/payments").key("k");
    for paid in 1..=2 {
        assert!(has_paid(&pay.send(&app).await));
        assert_eq!(db.payments().await, paid);
    }
    assert_eq!(records(&idem).await, 0);
    // So there is nothing to replay when it is switched on.
    idem.rollout().set("*", Enforce);
    assert!(has_paid(&pay.send(&app).await));
    assert!(pay.send(&app).await.is_replay());
    assert_eq!(db.payments().await, 3);
}

#[tokio::test]
async fn observe_runs_each_attempt_and_records_the_first() {
    let (db, idem, app) = start_in("observe").await;
    let pay = payment("/payments").key("k");
    let first = pay.send(&app).await;
    assert!(has_paid(&first));
    for paid in 2..=3 {
        assert!(has_paid(&pay.send(&app).await));
        assert_eq!(db.payments().await, paid);
    }
    assert_eq!(records(&idem).await, 1);
    // What was stored is what a retry gets once it is switched on.
    idem.rollout().set("*", Enforce);
    let replay = pay.send(&app).await;
    assert!(replay.is_replay());
    assert_eq!(replay.json::<Payment>(), first.json::<Payment>());
    assert_eq!(db.payments().await, 3);
}

#[tokio::test]
async fn validate_runs_duplicates_and_refuses_a_different_request_with_their_key() {
    let (db, idem, app) = start_in("validate").await;
    let pay = payment("/payments").key("k");
    for paid in 1..=2 {
        assert!(has_paid(&pay.send(&app).await));
        assert_eq!(db.payments().await, paid);
    }
    let other = pay.clone().body(r#"{"amount":6}"#).send(&app).await;
    assert_eq!(problem(&other), (422, "key-reused".to_owned()));
    idem.rollout().set("*", Observe);
    assert!(has_paid(
        &pay.clone().body(r#"{"amount":6}"#).send(&app).await
    ));
    assert_eq!(db.payments().await, 3);
    assert_eq!(records(&idem).await, 1);
}

#[tokio::test]
async fn enforce_behaves_as_without_a_rollout() {
    let (db, _idem, app) = start_in("off; POST /payments=enforce").await;
    let pay = payment("/payments").key("k");
    assert!(has_paid(&pay.send(&app).await));
    assert!(pay.send(&app).await.is_replay());
    assert_eq!(db.payments().await, 1);
    let elsewhere = payment("/waiting").key("k");
    for _ in 0..2 {
        assert!(has_paid(&elsewhere.send(&app).await));
    }
    assert_eq!(db.payments().await, 3);
}

#[tokio::test]
async fn an_expired_record_is_replaced_by_an_observed_attempt() {
    let (db, idem, app) = start_in("observe").await;
    let pay = payment("/payments").key("k");
    assert!(has_paid(&pay.send(&app).await));
    super::age_records(idem.pool()).await;
    let second = pay.send(&app).await;
    assert!(has_paid(&second));
    idem.rollout().set("*", Enforce);
    let replay = pay.send(&app).await;
    assert!(replay.is_replay());
    assert_eq!(replay.body, second.body);
    assert_eq!(db.payments().await, 2);
}

/// A handler without a transaction.
#[idempotent(scope = "tenant")]
async fn touch(_: Tenant) -> &'static str {
    "touched"
}

#[tokio::test]
async fn handlers_without_a_transaction_are_observed_too() {
    let db = TestDb::new().await;
    let idem = engine_in(&db, "observe").await;
    let routes: Router<AppState> = Router::new().route("/touch", post(touch));
    let app = routes.with_state(AppState::new(idem.clone()));
    let attempt = payment("/touch").key("k");
    let is_fresh = |answer: &Answer| answer.status == 200 && !answer.is_replay();
    for _ in 0..2 {
        assert!(is_fresh(&attempt.send(&app).await));
        assert_eq!(records(&idem).await, 1);
    }
    let other = attempt.clone().body("{}");
    assert!(is_fresh(&other.send(&app).await));
    idem.rollout().set("*", Validate);
    assert_eq!(
        problem(&other.send(&app).await),
        (422, "key-reused".to_owned())
    );
    idem.rollout().set("*", Off);
    assert!(is_fresh(&other.key("other").send(&app).await));
    assert_eq!(records(&idem).await, 1);
    idem.rollout().set("*", Enforce);
    assert!(attempt.send(&app).await.is_replay());
}

fn of_tenant(number: u32) -> Attempt {
    http::post("/payments")
        .header("authorization", &format!("Bearer tenant-{number}"))
        .json(&json!({ "amount": 5 }))
        .key("k")
}

#[tokio::test]
async fn a_percentage_rule_always_enforces_the_same_scopes() {
    let (db, idem, app) = start_in("observe>enforce@50%").await;
    let node = super::support::app::app(engine_in(&db, "observe>enforce@50%").await);
    let (mut enforced, mut observed) = (0, 0);
    for number in 0..20 {
        let pay = of_tenant(number);
        assert!(has_paid(&pay.send(&app).await));
        let again = [pay.send(&app).await, pay.send(&node).await].map(|again| again.is_replay());
        match again {
            [true, true] => enforced += 1,
            [false, false] => observed += 1,
            other => panic!("{number}: {other:?}"),
        }
    }
    assert!(enforced > 3 && observed > 3, "{enforced} {observed}");
    // Who was enforced stays so, and the others follow.
    idem.rollout().set("*", Enforce);
    for number in 0..20 {
        let pay = of_tenant(number);
        assert!(pay.send(&app).await.is_replay(), "{number}");
    }
}

#[idempotent(scope = "tenant", isolation = "serializable", key = "optional")]
async fn pay_serializably(Tenant(tenant): Tenant, mut tx: Tx<Db>) -> Paid {
    pay(&mut tx, &tenant, FIVE).await
}

#[tokio::test]
async fn each_mode_uses_the_isolation_of_the_operation() {
    let db = TestDb::new().await;
    let idem = engine_in(&db, "off").await;
    let routes: Router<AppState> = Router::new().route("/serial", post(pay_serializably));
    let app = routes.with_state(AppState::new(idem.clone()));
    for mode in [Off, Observe, Validate, Enforce] {
        idem.rollout().set("*", mode);
        assert!(has_paid(
            &payment("/serial").key(mode.as_str()).send(&app).await
        ));
        assert!(has_paid(&payment("/serial").send(&app).await));
    }
    assert_eq!((db.payments().await, records(&idem).await), (8, 3));
}

#[tokio::test]
async fn an_observed_request_runs_when_records_cannot_be_stored() {
    let db = TestDb::new().await;
    // No table of records, as before the migration.
    let pool = db.pool().await;
    let idem = Idempotency::builder(pool)
        .rollout("observe".parse().unwrap())
        .build();
    let app = app(idem.clone());
    let pay = payment("/payments").key("k");
    assert!(has_paid(&pay.send(&app).await));
    idem.migrate().await.unwrap();
    assert!(has_paid(&pay.send(&app).await));
    let drop = format!("drop table {RECORD}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(drop))
        .execute(idem.pool())
        .await
        .unwrap();
    assert!(has_paid(&pay.send(&app).await));
    assert_eq!(db.payments().await, 3);
    let touch: Router<AppState> = Router::new().route("/touch", post(touch));
    let touched = payment("/touch").key("k");
    let app = touch.with_state(AppState::new(idem));
    assert_eq!(touched.send(&app).await.status, 200);
}

#[tokio::test]
async fn a_refused_record_does_not_undo_the_writes_of_an_observed_attempt() {
    let (db, idem, app) = start_in("observe").await;
    let log = Log::shared();
    sqlx::raw_sql(super::KEEPS_NO_RECORD)
        .execute(idem.pool())
        .await
        .unwrap();
    let key = format!("{}-refused", module_path!());
    let pay = payment("/payments").key(&key);
    assert!(has_paid(&pay.send(&app).await));
    assert_eq!(db.payments().await, 1);
    assert_eq!(records(&idem).await, 0);
    log.until(|text| says(text, &key, "would_failed")).await;
    let enforced = super::support::app::app(engine(&db).await);
    assert_eq!(pay.send(&enforced).await.status, 500);
    assert_eq!(db.payments().await, 1);
}
