//! In the modes that do not enforce, the handler's own outcome decides, as without the attribute.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::{Json, Router};
use idem_axum::{RolloutMode, Tx, idempotent};

use super::modes::{records, start_in};
use super::support::app::{
    AppState, FIVE, NewPayment, Paid, Tenant, app, create_then, create_then_plainly, engine_in,
    pay, payment,
};
use super::{Db, TestDb};

/// The same handler without Idem: it commits its transaction unless there is an error.
async fn create_then_by_hand(
    State(state): State<AppState>,
    tenant: Tenant,
    headers: HeaderMap,
    new: Json<NewPayment>,
) -> Paid {
    #[expect(clippy::disallowed_methods, reason = "as it is written without Idem")]
    let mut tx = state.idem.pool().begin().await.unwrap();
    let paid = create_then_plainly(tenant, headers, Tx::borrowed(&mut *tx), new).await?;
    match tx.commit().await {
        Ok(()) => Ok(paid),
        Err(_) => Err(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

#[tokio::test]
async fn every_handler_outcome_is_the_same_in_each_unenforced_mode() {
    for then in [
        "402",
        "409",
        "fail",
        "fail-and-pay",
        "commit",
        "rollback",
        "commit-and-begin",
        "rollback-and-begin",
        "nest-and-fail",
        "nest-and-undo",
        "panic",
    ] {
        let mut seen = Vec::new();
        for mode in ["by hand", "off", "observe", "validate"] {
            let db = TestDb::new().await;
            let plan = mode.parse().unwrap_or(RolloutMode::Off).as_str();
            let idem = engine_in(&db, plan).await;
            let routes: Router<AppState> = match mode {
                "by hand" => Router::new().route("/then", post(create_then_by_hand)),
                _ => Router::new().route("/then", post(create_then)),
            };
            let app = routes.with_state(AppState::new(idem));
            let pay = payment("/then").header("x-then", then).key("k");
            // Twice: what the first leaves must not trip up the second.
            let mut answers = Vec::new();
            for _ in 0..2 {
                let (pay, app) = (pay.clone(), app.clone());
                let answer = tokio::spawn(async move { pay.send(&app).await.status }).await;
                // A panic is nobody's but the server's around the application.
                answers.push(answer.map_err(|ended| ended.is_panic()));
            }
            seen.push((mode, answers, db.payments().await));
        }
        let (_, answers, payments) = &seen[0];
        for (mode, its_answers, its_payments) in &seen {
            assert_eq!(
                (answers, payments),
                (its_answers, its_payments),
                "{then} {mode}: {seen:?}"
            );
        }
    }
}

#[tokio::test]
async fn an_open_savepoint_in_an_unenforced_mode_loses_no_writes() {
    for mode in ["off", "observe"] {
        let (db, _idem, app) = start_in(mode).await;
        let pay = payment("/then").header("x-then", "forget").key("k");
        for paid in 1..=2 {
            assert_eq!(pay.send(&app).await.status, 201, "{mode}");
            assert_eq!(db.payments().await, paid, "{mode}");
        }
    }
}

#[tokio::test]
async fn an_observed_error_that_is_stored_is_recorded_without_its_writes() {
    let (db, idem, app) = start_in("observe").await;
    let pay = payment("/then").key("k");
    let refused = pay.clone().header("x-then", "402").send(&app).await;
    assert_eq!(refused.status, 402);
    assert_eq!((db.payments().await, records(&idem).await), (0, 1));
    idem.rollout().set("*", RolloutMode::Enforce);
    let replay = pay.send(&app).await;
    assert!(replay.is_replay() && replay.status == 402, "{replay:?}");
}

/// Returns a status that enforcement would release, although the handler wants its writes kept.
#[idempotent(scope = "tenant")]
async fn pay_and_apologize(Tenant(tenant): Tenant, mut tx: Tx<Db>) -> StatusCode {
    let _paid = pay(&mut tx, &tenant, FIVE).await.unwrap();
    StatusCode::BAD_GATEWAY
}

#[tokio::test]
async fn an_unenforced_handler_keeps_its_writes_whatever_its_status() {
    for (mode, kept) in [("off", 1), ("observe", 1), ("validate", 1), ("enforce", 0)] {
        let db = TestDb::new().await;
        let idem = engine_in(&db, mode).await;
        let routes: Router<AppState> = Router::new().route("/sorry", post(pay_and_apologize));
        let app = routes.with_state(AppState::new(idem.clone()));
        assert_eq!(
            payment("/sorry").key("k").send(&app).await.status,
            502,
            "{mode}"
        );
        assert_eq!(
            (db.payments().await, records(&idem).await),
            (kept, 0),
            "{mode}"
        );
    }
}

#[tokio::test]
async fn an_unenforced_attempt_never_times_out() {
    // 200 milliseconds where it is enforced; the test ends the handler instead.
    for mode in ["off", "observe"] {
        let (db, idem, _) = start_in(mode).await;
        let app = app(idem);
        let pay = payment("/in-time").key("k");
        let waiting = tokio::time::timeout(std::time::Duration::from_secs(1), pay.send(&app));
        assert!(waiting.await.is_err(), "{mode}");
        assert_eq!(db.payments().await, 0, "{mode}");
    }
}
