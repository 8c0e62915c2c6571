//! Idem's own statements on sessions with a leftover snapshot.

use idem_axum::engine::{
    Completion, ConsumerPolicy, Engine, Forecast, Inbox, Invalidated, RecordFilter,
};
use idem_axum::{Idempotency, Scope};
use idem_tests::proxy::{Action, Proxy};
use sqlx::Executor;

use super::faults::cancellation::attempt;
use super::inbox::dead_letters::fail;
use super::left_open::{Nodes, SNAPSHOTS};
use super::support::app::{app, engine, has_paid, invalidate, payment};
use super::{COMMIT, Db, TestDb, age_records, pool_at};

#[tokio::test]
async fn an_observed_attempt_forecasts_from_committed_records_despite_a_leftover_snapshot() {
    for left in SNAPSHOTS {
        let nodes = Nodes::start().await;
        let idem = Idempotency::new(nodes.pool.clone());
        let other = Idempotency::new(nodes.db.pool_of(1).await);
        nodes.leave(left).await;
        let watched = other.observe_without_tx(attempt("k")).await;
        let answer = Completion::new(201, Vec::new(), Vec::new());
        assert!(watched.end(Some(answer)).await);

        let watched = idem.observe_without_tx(attempt("k")).await;
        let forecast = watched.forecast().clone();
        assert!(matches!(forecast, Forecast::Replay(_)), "{forecast:?}");
        drop(watched);
        assert!(has_paid(
            &payment("/payments").key("1").send(&nodes.other).await
        ));
        assert!(nodes.sees_all().await, "{left}");

        let watched = idem.observe(attempt("k")).await.unwrap();
        let forecast = watched.forecast().cloned();
        assert!(
            matches!(forecast, Some(Forecast::Replay(_))),
            "{forecast:?}"
        );
        watched.end(true, None).await.unwrap();
        assert!(has_paid(
            &payment("/payments").key("2").send(&nodes.other).await
        ));
        assert!(nodes.sees_all().await, "{left}");
    }
}

/// Each statement must see what was committed after its session's snapshot.
#[tokio::test]
async fn idems_statements_see_committed_data_and_leave_no_snapshot() {
    for left in SNAPSHOTS {
        for statement in STATEMENTS {
            let nodes = Nodes::start().await;
            let (idem, other) = (nodes.pool.clone(), nodes.db.pool_of(1).await);
            let (idem, other) = (Idempotency::new(idem), Idempotency::new(other));
            nodes.leave(left).await;
            assert!(has_paid(
                &payment("/payments").key("1").send(&nodes.other).await
            ));
            assert!(sees(statement, idem, other).await, "{left}: {statement}");
            assert!(has_paid(
                &payment("/payments").key("2").send(&nodes.other).await
            ));
            assert!(nodes.sees_all().await, "{left}: {statement}");
        }
    }
}

const STATEMENTS: [&str; 9] = [
    "records",
    "count",
    "read",
    "publish",
    "letters",
    "invalidate",
    "check",
    "sweep",
    "erase",
];

/// Whether `idem` sees what `other` has done.
async fn sees(statement: &str, idem: Idempotency<Db>, other: Idempotency<Db>) -> bool {
    match statement {
        "records" => {
            let records = idem.records(&RecordFilter::default(), None, 10).await;
            records.unwrap().len() == 1
        }
        "count" => idem.count_records().await.unwrap().len() == 1,
        "read" => {
            let rule = Some("observe".parse().unwrap());
            other.publish_rollout("pay", rule).await.unwrap();
            idem.read_rollout().await.unwrap()
        }
        "publish" => {
            let rule = Some("observe".parse().unwrap());
            idem.publish_rollout("pay", rule).await.unwrap();
            other.read_rollout().await.unwrap()
        }
        "letters" => {
            let policy = ConsumerPolicy::default().max_attempts(1);
            let other = Inbox::builder(other).consumer("billing", policy);
            assert_eq!(fail(&other.build().unwrap(), "m1").await, (1, true));
            let letters = Inbox::new(idem).dead_letters("billing", None, 10).await;
            letters.unwrap().len() == 1
        }
        "invalidate" => {
            let records = other.records(&RecordFilter::default(), None, 10).await;
            let name = records.unwrap().pop().unwrap().name;
            invalidate(&idem, &name, "test").await == Invalidated::Gone
        }
        "check" => idem.check().await.is_ok(),
        "sweep" => {
            age_records(other.pool()).await;
            idem.sweep().await.unwrap() == 1
        }
        "erase" => {
            idem.erase(&Scope::new("acme").unwrap(), "test")
                .await
                .unwrap()
                == 1
        }
        other => panic!("{other}"),
    }
}

/// The lookup runs on the pool's other session.
#[tokio::test]
async fn a_commit_with_a_lost_acknowledgement_is_found_despite_a_leftover_snapshot() {
    for left in SNAPSHOTS {
        let db = TestDb::new().await;
        engine(&db).await.pool().close().await;
        let proxy = Proxy::to(&db.url()).await;
        let pool = pool_at(proxy.url(), 2).await;
        let app = app(Idempotency::new(pool.clone()));
        let (mut one, mut other) = (pool.acquire().await.unwrap(), pool.acquire().await.unwrap());
        for conn in [&mut one, &mut other] {
            conn.execute(sqlx::raw_sql(left)).await.unwrap();
        }
        drop((one, other));
        let commit = proxy.on(COMMIT, Action::CutAnswer);
        let pay = payment("/payments").key("k");
        let paid = pay.send(&app).await;
        assert!(commit.is_reached());
        assert!(has_paid(&paid), "{left}: {paid:?}");
        assert!(pay.send(&app).await.is_replay(), "{left}");
        assert_eq!(db.payments().await, 1, "{left}");
    }
}

/// A failed lookup releases its lock, so that it does not block the next attempt.
#[tokio::test]
async fn a_failed_commit_lookup_leaves_no_lock_behind() {
    let db = TestDb::new().await;
    let other = app(engine(&db).await);
    let proxy = Proxy::to(&db.url()).await;
    let pool = pool_at(proxy.url(), 2).await;
    let app = app(Idempotency::new(pool.clone()));
    let [mut one, two] = [pool.acquire().await.unwrap(), pool.acquire().await.unwrap()];
    drop(two);
    let pay = payment("/waiting").key("k");
    let commit = proxy.on(COMMIT, Action::Cut);
    // The session that looks can read no table but this.
    one.execute("lock tables idem_rollout read").await.unwrap();
    let looking = tokio::spawn({
        let (pay, app) = (pay.clone(), app.clone());
        async move { pay.send(&app).await }
    });
    commit.reached().await;
    drop(one);
    assert_eq!(looking.await.unwrap().status, 503);
    assert!(has_paid(&pay.send(&other).await));
    assert_eq!(db.payments().await, 1);
}
