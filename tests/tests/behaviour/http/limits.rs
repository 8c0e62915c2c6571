//! Requests that a node refuses: overload, shutdown, large bodies, unreadable records.

use std::hint;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use idem_axum::engine::Engine;
use idem_axum::{IdempotencyBuilder, Policy, WhileRunning, idempotent};
use idem_tests::a_moment;
use tokio::time::timeout;

use super::support::app::{
    AppState, Gate, Tenant, app, app_with, create_payment, engine, has_paid, payment, problem,
};
use super::support::scripted_app::{all, send};
use super::{Db, RECORD, TestDb, idem_on};

/// Enters the gate without a transaction, so that others can write meanwhile on SQLite too.
async fn enter(state: &AppState, headers: &HeaderMap) -> Result<StatusCode, StatusCode> {
    state.gate.entered.notify_one();
    state.gate.open.notified().await;
    match headers.contains_key("x-fail") {
        true => Err(StatusCode::CONFLICT),
        false => Ok(StatusCode::CREATED),
    }
}

#[idempotent(scope = "tenant", operation = "enter", in_flight = "wait 60s")]
async fn enter_or_wait(
    State(state): State<AppState>,
    _: Tenant,
    headers: HeaderMap,
    _: Bytes,
) -> Result<StatusCode, StatusCode> {
    enter(&state, &headers).await
}

#[idempotent(scope = "tenant", operation = "enter", in_flight = "reject")]
async fn enter_or_not(
    State(state): State<AppState>,
    _: Tenant,
    headers: HeaderMap,
    _: Bytes,
) -> Result<StatusCode, StatusCode> {
    enter(&state, &headers).await
}

async fn start(
    settings: impl FnOnce(IdempotencyBuilder<Db>) -> IdempotencyBuilder<Db>,
) -> (TestDb, AppState, Router) {
    let db = TestDb::new().await;
    engine(&db).await;
    let state = AppState::new(settings(idem_on(db.pool().await)).build());
    let routes = Router::new()
        .route("/wait", post(enter_or_wait))
        .route("/reject", post(enter_or_not))
        .route("/payments", post(create_payment));
    let app = routes.with_state(state.clone());
    (db, state, app)
}

/// Returns when this many attempts run or wait.
async fn busy_with(state: &AppState, attempts: usize) {
    let busy = async {
        while state.idem.running() != attempts {
            a_moment().await;
        }
    };
    let busy = timeout(Duration::from_secs(30), busy).await;
    assert!(busy.is_ok(), "{} of {attempts}", state.idem.running());
}

#[tokio::test]
async fn waiting_duplicates_do_not_count_towards_max_attempts() {
    let (db, state, app) = start(|engine| engine.max_attempts(2)).await;
    let pay = payment("/wait").key("k");
    let first = send(&app, pay.clone());
    state.gate.entered.notified().await;
    let waiting: Vec<_> = (0..50).map(|_| send(&app, pay.clone())).collect();
    busy_with(&state, 51).await;
    assert!(has_paid(
        &payment("/payments").key("other").send(&app).await
    ));
    state.gate.open.notify_one();
    assert!(has_paid(&first.await.unwrap()));
    let answers = all(waiting).await;
    assert!(answers.iter().all(|answer| answer.is_replay()));
    assert_eq!((db.payments().await, state.idem.running()), (1, 0));
}

#[tokio::test]
async fn a_duplicate_beyond_max_waiting_gets_503() {
    let (_db, state, app) = start(|engine| engine.max_waiting(1)).await;
    let pay = payment("/wait").key("k");
    let first = send(&app, pay.clone());
    state.gate.entered.notified().await;
    let waiting = send(&app, pay.clone());
    busy_with(&state, 2).await;
    let refused = pay.send(&app).await;
    assert_eq!(problem(&refused), (503, "overloaded".to_owned()));
    assert!(refused.header("retry-after").is_some());
    state.gate.open.notify_one();
    assert!(has_paid(&first.await.unwrap()));
    assert!(waiting.await.unwrap().is_replay());
    assert!(pay.send(&app).await.is_replay());
}

#[tokio::test]
async fn a_full_node_still_answers_duplicates_and_mismatches() {
    let (_db, state, app) = start(|engine| engine.max_attempts(1).max_waiting(0)).await;
    let pay = payment("/reject").key("k");
    let first = send(&app, pay.clone());
    state.gate.entered.notified().await;
    let told = problem(&pay.send(&app).await);
    assert_eq!(told, (409, "in-flight".to_owned()));
    let other = pay.clone().body(r#"{"amount":6}"#).send(&app).await;
    assert_eq!(problem(&other), (422, "key-reused".to_owned()));
    let another = payment("/reject").key("another").send(&app).await;
    assert_eq!(problem(&another), (503, "overloaded".to_owned()));
    state.gate.open.notify_one();
    assert!(has_paid(&first.await.unwrap()));
    assert!(pay.send(&app).await.is_replay());
}

#[tokio::test]
async fn a_waiter_takes_the_place_of_a_failed_attempt_on_a_full_node() {
    let (_db, state, app) = start(|engine| engine.max_attempts(1)).await;
    let pay = payment("/wait").key("k");
    let first = send(&app, pay.clone().header("x-fail", "1"));
    state.gate.entered.notified().await;
    let waiting: Vec<_> = (0..3).map(|_| send(&app, pay.clone())).collect();
    busy_with(&state, 4).await;
    state.gate.open.notify_one();
    assert_eq!(first.await.unwrap().status, 409);
    state.gate.entered.notified().await;
    state.gate.open.notify_one();
    let answers = all(waiting).await;
    assert!(answers.iter().all(|answer| answer.status == 201));
    assert_eq!(answers.iter().filter(|answer| has_paid(answer)).count(), 1);
}

#[tokio::test]
async fn an_attempt_beyond_max_attempts_gets_503() {
    let (db, gate) = (TestDb::new().await, Arc::<Gate>::default());
    engine(&db).await;
    let idem = idem_on(db.pool().await).max_attempts(1).build();
    let app = app_with(idem, Arc::clone(&gate));
    let first = tokio::spawn({
        let app = app.clone();
        async move { payment("/gate").key("first").send(&app).await }
    });
    gate.entered.notified().await;
    let refused = payment("/payments").key("second").send(&app).await;
    assert_eq!(problem(&refused), (503, "overloaded".to_owned()));
    assert!(refused.header("retry-after").is_some());
    gate.open.notify_one();
    assert_eq!(first.await.unwrap().status, 201);
    assert_eq!(
        payment("/payments").key("second").send(&app).await.status,
        201
    );
}

#[tokio::test]
async fn a_shutdown_waits_for_running_attempts_and_refuses_new_ones() {
    let (db, gate) = (TestDb::new().await, Arc::<Gate>::default());
    let idem = engine(&db).await;
    let app = app_with(idem.clone(), Arc::clone(&gate));
    let first = tokio::spawn({
        let app = app.clone();
        async move { payment("/gate").key("first").send(&app).await }
    });
    gate.entered.notified().await;
    let late = idem.shutdown(Duration::from_millis(1)).await.unwrap_err();
    assert_eq!(late.running, 1);
    let refused = payment("/payments").key("second").send(&app).await;
    assert_eq!(problem(&refused), (503, "shutting-down".to_owned()));
    gate.open.notify_one();
    idem.shutdown(Duration::from_secs(30)).await.unwrap();
    assert_eq!(first.await.unwrap().status, 201);
    assert_eq!(db.payments().await, 1);
}

#[tokio::test]
async fn a_record_of_an_unknown_version_never_lets_the_handler_run() {
    let db = TestDb::new().await;
    let app = app(engine(&db).await);
    let pay = payment("/payments").key("k");
    assert_eq!(pay.send(&app).await.status, 201);
    for (column, known) in [("format", 1), ("fingerprint_version", 4)] {
        let change = |value: i64| format!("update {RECORD} set {column} = {value}");
        let pool = db.pool_of(1).await;
        let newer = sqlx::AssertSqlSafe(change(99));
        sqlx::query(newer).execute(&pool).await.unwrap();
        let refused = pay.send(&app).await;
        assert_eq!(
            problem(&refused),
            (503, "record-unreadable".to_owned()),
            "{column}"
        );
        let known = sqlx::AssertSqlSafe(change(known));
        sqlx::query(known).execute(&pool).await.unwrap();
    }
    assert!(pay.send(&app).await.is_replay());
    assert_eq!(db.payments().await, 1);
}

#[tokio::test]
async fn a_body_that_is_too_large_leaves_the_key_free() {
    let db = TestDb::new().await;
    let app = app(engine(&db).await);
    let long = payment("/payments").key("k").body(vec![b' '; 3 << 20]);
    assert_eq!(
        problem(&long.send(&app).await),
        (413, "body-too-large".to_owned())
    );
    assert_eq!(payment("/payments").key("k").send(&app).await.status, 201);
}

#[tokio::test]
async fn extreme_settings_are_clamped() {
    let db = TestDb::new().await;
    let pool = engine(&db).await.pool().clone();
    let pay = payment("/payments").key("k");
    for extreme in [Duration::ZERO, Duration::MAX] {
        let idem = idem_on(pool.clone())
            .ttl(extreme)
            .timeout(extreme.max(Duration::from_secs(30)))
            .acquire_timeout(extreme.max(Duration::from_secs(5)))
            .while_running(WhileRunning::Wait(extreme))
            .build();
        assert_eq!(pay.send(&app(idem)).await.status, 201);
    }
    let hurried = idem_on(pool).timeout(Duration::ZERO).build();
    assert_eq!(hurried.settings().policy.timeout, Policy::MIN_TIMEOUT);
}

#[tokio::test]
async fn a_damaged_record_never_lets_the_handler_run() {
    let db = TestDb::new().await;
    let app = app(engine(&db).await);
    for damage in ["status = 99", "status = -201", "headers = 'no line'"] {
        let pay = payment("/payments").key(&damage.replace(' ', ""));
        assert_eq!(pay.send(&app).await.status, 201);
        let pool = db.pool_of(1).await;
        let damaged = sqlx::AssertSqlSafe(format!("update {RECORD} set {damage}"));
        sqlx::query(damaged).execute(&pool).await.unwrap();
        let refused = pay.send(&app).await;
        let told = (503, "record-unreadable".to_owned());
        assert_eq!(problem(&refused), told, "{damage}");
    }
    assert_eq!(db.payments().await, 3);
}

/// Admission and shutdown race, each a little later than the other in turn.
#[tokio::test]
async fn no_attempt_is_admitted_once_a_shutdown_has_ended() {
    let db = TestDb::new().await;
    let pool = db.pool().await;
    for round in 0..2_500 {
        let idem = idem_on(pool.clone()).build();
        let (steps, shut) = (AtomicUsize::new(0), pin!(idem.shutdown(Duration::ZERO)));
        let together = |later: usize| {
            steps.fetch_add(1, Ordering::AcqRel);
            while steps.load(Ordering::Acquire) < 2 {
                thread::yield_now();
            }
            (0..later).for_each(|_| hint::spin_loop());
        };
        let (admitted, over) = thread::scope(|threads| {
            let admitted = threads.spawn(|| {
                together(round / 50 % 50);
                idem.admit()
            });
            together(round % 50);
            let over = shut.poll(&mut Context::from_waker(Waker::noop()));
            (admitted.join().unwrap(), over)
        });
        assert!(admitted.is_err() || !matches!(over, Poll::Ready(Ok(()))));
    }
}
