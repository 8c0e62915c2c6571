//! Which records are refused late: by the operation's option, by the node that stored them, by the mode.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use idem_axum::RolloutMode::{Enforce, Observe, Validate};
use idem_axum::{Idempotency, RecordFilter, Tx, idempotent};
use idem_tests::log::Log;

use super::super::super::support::app::{
    AppState, FIVE, NewPayment, Paid, Tenant, app, engine, has_paid, once_it_is_over, pay, payment,
    problem,
};
use super::super::log::says;
use super::{Db, INSERT_PAYMENT, TestDb, age_records, expired, refusing, tombstones};

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

#[idempotent(
    scope = "tenant",
    late_retries = "refuse 1h",
    isolation = "serializable"
)]
async fn refuse_serializable(tenant: Tenant, mut tx: Tx<Db>, Json(new): Json<NewPayment>) -> Paid {
    pay(&mut tx, &tenant.0, new).await
}

fn operations(idem: &Idempotency<Db>) -> Router {
    Router::new()
        .route("/refuse", post(refuse))
        .route("/serializable", post(refuse_serializable))
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
        (&plain, "/serializable", true),
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
    assert_eq!(tombstones(&plain).await, 3);
    assert_eq!(db.payments().await, 6);
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
