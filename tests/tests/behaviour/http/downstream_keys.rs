//! The keys that an operation sends to other services: the same for every attempt of one record.

use std::collections::HashSet;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use idem_axum::RolloutMode::{Observe, Off};
use idem_axum::engine::{Message, MessageOutcome};
use idem_axum::{DownstreamKeys, Inbox, Tx, idempotent};
use idem_tests::http::Attempt;

use super::support::app::{AppState, engine, engine_in, payment, start};
use super::{Db, HIDE_RECORDS, TestDb, idem_on};

/// The key, behind an error if `x-fail` asks for one: then nothing is stored.
type Charged = Result<String, (StatusCode, String)>;

#[idempotent(scope = "tenant", operation = "charge", key = optional)]
async fn charge(headers: HeaderMap, tx: Tx<Db>, _: Bytes) -> Charged {
    end(&headers, tx.downstream_key("charge"))
}

#[idempotent(scope = "tenant", operation = "charge", key = optional)]
async fn charge_without_tx(keys: DownstreamKeys, headers: HeaderMap, _: Bytes) -> Charged {
    end(&headers, keys.key("charge"))
}

#[idempotent(scope = "tenant", operation = "charge")]
async fn charge_and_notify(tx: Tx<Db>, keys: DownstreamKeys) -> String {
    assert_eq!(tx.downstream_key("charge"), keys.key("charge"));
    keys.key("notify")
}

fn end(headers: &HeaderMap, key: String) -> Charged {
    match headers.contains_key("x-fail") {
        true => Err((StatusCode::BAD_GATEWAY, key)),
        false => Ok(key),
    }
}

fn routes() -> Router<AppState> {
    Router::new()
        .route("/charge", post(charge))
        .route("/charge-without-tx", post(charge_without_tx))
        .route("/charge-and-notify", post(charge_and_notify))
}

const PATHS: [&str; 2] = ["/charge", "/charge-without-tx"];

/// The downstream key of an attempt.
async fn made(app: &Router, attempt: &Attempt) -> String {
    let answer = attempt.send(app).await;
    assert!([200, 502].contains(&answer.status.as_u16()), "{answer:?}");
    let key = String::from_utf8(answer.body.to_vec()).unwrap();
    assert_eq!(key.len(), 36, "{key}");
    key
}

#[tokio::test]
async fn every_attempt_of_a_record_makes_the_same_downstream_key() {
    let (_db, app) = start(routes()).await;
    for path in PATHS {
        let attempt = payment(path).key(path);
        let failed = attempt.clone().header("x-fail", "yes");
        let first = made(&app, &failed).await;
        assert_eq!(made(&app, &failed).await, first);
        assert_eq!(made(&app, &attempt).await, first);
    }
}

#[tokio::test]
async fn another_record_effect_or_secret_makes_another_downstream_key() {
    let (db, app) = start(routes()).await;
    let guarded = idem_on(db.pool().await).downstream_secret("only ours");
    let guarded = routes().with_state(AppState::new(guarded.build()));
    let failed = |path: &str| payment(path).header("x-fail", "yes");
    let other_tenant = idem_tests::http::post("/charge")
        .header("authorization", "Bearer globex")
        .header("x-fail", "yes");
    let mut keys = vec![
        made(&app, &failed("/charge").key("a")).await,
        made(&app, &failed("/charge").key("b")).await,
        made(&app, &other_tenant.key("a")).await,
        made(&guarded, &failed("/charge").key("a")).await,
    ];
    // The name of the record counts, not the handler.
    assert_eq!(
        made(&app, &failed("/charge-without-tx").key("a")).await,
        keys[0]
    );
    keys.push(made(&app, &payment("/charge-and-notify").key("a")).await);
    // Without a record each attempt has its own.
    for path in PATHS.iter().chain(&PATHS) {
        keys.push(made(&app, &payment(path)).await);
    }
    let different: HashSet<_> = keys.iter().collect();
    assert_eq!(different.len(), keys.len(), "{keys:?}");
}

#[tokio::test]
async fn a_duplicate_that_runs_in_observe_makes_the_same_downstream_key() {
    for (plan, same) in [("observe", true), ("off", false)] {
        let db = TestDb::new().await;
        let app = routes().with_state(AppState::new(engine_in(&db, plan).await));
        for path in PATHS {
            let attempt = payment(path).key(path);
            let first = made(&app, &attempt).await;
            assert_eq!(made(&app, &attempt).await == first, same, "{plan} {path}");
        }
    }
}

/// The table of records is away; the first attempt notices it, and the next are not observed for a second.
#[tokio::test]
async fn an_attempt_that_cannot_be_observed_makes_the_downstream_key_of_its_record() {
    let db = TestDb::new().await;
    let idem = engine_in(&db, "observe").await;
    let app = routes().with_state(AppState::new(idem.clone()));
    for path in PATHS {
        let attempt = payment(path).key(path).header("x-fail", "yes");
        let observed = made(&app, &attempt).await;
        let [obstacle, removal] = HIDE_RECORDS;
        let by_hand = db.pool_of(1).await;
        sqlx::raw_sql(obstacle).execute(&by_hand).await.unwrap();
        for _ in 0..2 {
            assert_eq!(made(&app, &attempt).await, observed, "{path}");
        }
        let both = payment("/charge-and-notify").key(path);
        assert_eq!(made(&app, &both).await, made(&app, &both).await, "{path}");
        idem.rollout().set("*", Off);
        assert_ne!(made(&app, &attempt).await, observed, "{path}");
        idem.rollout().set("*", Observe);
        sqlx::raw_sql(removal).execute(&by_hand).await.unwrap();
    }
}

#[tokio::test]
async fn every_delivery_of_a_message_makes_the_same_downstream_key() {
    let db = TestDb::new().await;
    let inbox = Inbox::new(engine(&db).await);
    let mut keys = Vec::new();
    for fails in [true, true, false] {
        let keys = &mut keys;
        let handled = inbox.process("billing", "m1", async move |tx| {
            keys.push(tx.downstream_key("charge"));
            if fails { Err("no answer") } else { Ok(()) }
        });
        assert_eq!(handled.await.is_err(), fails);
    }
    assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
}

#[tokio::test]
async fn each_message_of_a_batch_has_the_downstream_key_that_it_has_alone() {
    let db = TestDb::new().await;
    let inbox = Inbox::new(engine(&db).await);
    let ids = ["m1", "m2"];
    let (mut alone, mut together) = (Vec::new(), Vec::new());
    for id in ids {
        let alone = &mut alone;
        let failed = inbox.process("billing", id, async move |tx| {
            alone.push(tx.downstream_key("charge"));
            Err::<(), _>("no answer")
        });
        failed.await.unwrap_err();
    }
    let messages = ids.map(Message::new).to_vec();
    let mut batch = inbox.process_batch("billing", messages).unwrap();
    while let Some(mut message) = batch.next().await.unwrap() {
        together.push(message.tx().downstream_key("charge"));
        message.done();
    }
    let outcomes = batch.finish().await.unwrap();
    assert!(
        outcomes
            .iter()
            .all(|outcome| matches!(outcome, MessageOutcome::First)),
        "{outcomes:?}"
    );
    together.sort();
    alone.sort();
    assert_eq!(together, alone);
    assert_ne!(alone[0], alone[1]);
}
