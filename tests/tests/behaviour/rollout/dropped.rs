//! An unenforced attempt is dropped with its request, as without the attribute.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use idem_axum::RolloutMode::Enforce;
use idem_axum::{Idempotency, Scope, Tx, idempotent};
use idem_tests::a_moment;
use tokio::time::timeout;

use super::modes::records;
use super::moves::begin_at_gate;
use super::support::app::{
    AppState, FIVE, Paid, Tenant, app, app_with, engine_in, has_paid, pay, payment,
};
use super::{Db, ONE_WRITER, TestDb};

/// Waits until nothing runs on the node.
async fn is_idle(idem: &Idempotency<Db>) {
    let idle = async {
        while idem.running() > 0 {
            a_moment().await;
        }
    };
    timeout(Duration::from_secs(30), idle).await.unwrap();
}

#[tokio::test]
async fn an_unenforced_request_that_is_dropped_leaves_nothing_and_its_retry_pays_once() {
    for mode in ["off", "observe", "validate"] {
        let (db, idem, app, gate, running) = begin_at_gate(mode).await;
        running.abort();
        assert!(running.await.unwrap_err().is_cancelled());
        is_idle(&idem).await;
        assert_eq!(
            (db.payments().await, records(&idem).await),
            (0, 0),
            "{mode}"
        );
        gate.open.notify_one();
        let retry = payment("/gate").key("k").send(&app).await;
        assert!(has_paid(&retry), "{mode}: {retry:?}");
        assert_eq!(db.payments().await, 1, "{mode}");
    }
}

#[tokio::test]
async fn a_concurrent_observed_attempt_is_recorded_when_the_first_one_is_dropped() {
    let (db, idem, _, gate, first) = begin_at_gate("observe").await;
    let beside = Arc::<super::support::app::Gate>::default();
    beside.open.notify_one();
    let beside = app_with(idem.clone(), beside);
    let second = tokio::spawn(async move { payment("/gate").key("k").send(&beside).await });
    let mut second = Box::pin(second);
    let mut answer = None;
    if ONE_WRITER {
        // It has arrived when the node counts two, and waits for its turn.
        while idem.running() < 2 {
            a_moment().await;
        }
    } else {
        answer = Some((&mut second).await.unwrap());
    }
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    let answer = match answer {
        Some(answer) => answer,
        None => second.await.unwrap(),
    };
    assert!(has_paid(&answer), "{answer:?}");
    is_idle(&idem).await;
    drop(gate);
    idem.rollout().set("*", Enforce);
    for node in [idem, engine_in(&db, "enforce").await] {
        let retry = payment("/gate").key("k").send(&app(node)).await;
        assert!(retry.is_replay(), "{retry:?}");
        assert_eq!(retry.body, answer.body);
    }
    assert_eq!(db.payments().await, 1);
}

/// Writes on another connection too, which SQLite does not allow meanwhile.
#[idempotent(scope = "tenant")]
async fn pay_and_erase(
    State(state): State<AppState>,
    Tenant(tenant): Tenant,
    mut tx: Tx<Db>,
) -> Paid {
    let other = Scope::new("other").unwrap();
    let erased = state.idem.erase(&other, "a test").await;
    assert_eq!(erased.is_err(), ONE_WRITER, "{erased:?}");
    pay(&mut tx, &tenant, FIVE).await
}

#[tokio::test]
async fn a_handler_that_waits_for_its_own_writer_turn_does_not_deadlock() {
    for mode in ["off", "observe"] {
        let db = TestDb::new().await;
        let state = AppState::new(engine_in(&db, mode).await);
        let routes: Router<AppState> = Router::new().route("/erase", post(pay_and_erase));
        let app = routes.with_state(state);
        let pay = payment("/erase").key("k");
        let paid = timeout(Duration::from_secs(60), pay.send(&app)).await;
        assert!(has_paid(&paid.unwrap()), "{mode}");
        assert_eq!(db.payments().await, 1, "{mode}");
    }
}

#[tokio::test]
async fn a_shutdown_waits_for_a_running_observed_attempt() {
    let (db, idem, _, gate, running) = begin_at_gate("observe").await;
    idem.shutdown(Duration::from_millis(50)).await.unwrap_err();
    gate.open.notify_one();
    assert!(has_paid(&running.await.unwrap()));
    idem.shutdown(Duration::from_secs(30)).await.unwrap();
    assert_eq!(db.payments().await, 1);
}
