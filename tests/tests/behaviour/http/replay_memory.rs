//! A node that remembers its completions replays them without the database.
//!
//! A test that closes the pool shows what is remembered: whoever asks the database then gets 503.

use std::sync::Arc;

use idem_axum::engine::{Invalidated, RecordFilter};
use idem_axum::{Idempotency, Scope};
use idem_tests::http::post;
use serde_json::json;

use super::support::app::{Gate, app, app_with, engine, has_paid, invalidate, payment, problem};
use super::support::scripted_app::send;
use super::support::statements;
use super::{Db, ONE_WRITER, TestDb, idem_on};

async fn remembering(db: &TestDb) -> Idempotency<Db> {
    engine(db).await.pool().close().await;
    let idem = idem_on(db.pool().await);
    idem.replay_memory(1 << 20).build()
}

#[tokio::test]
async fn a_retry_on_its_node_needs_no_database_but_is_checked_as_before() {
    let db = TestDb::new().await;
    let idem = remembering(&db).await;
    let app = app(idem.clone());
    let pay = payment("/payments").key("k");
    let first = pay.send(&app).await;
    assert!(has_paid(&first));
    idem.pool().close().await;

    let retry = pay.send(&app).await;
    assert!(retry.is_replay(), "{retry:?}");
    assert_eq!((retry.status, &retry.body), (first.status, &first.body));
    let other = pay.clone().json(&json!({"amount": 6})).send(&app).await;
    assert_eq!(problem(&other), (422, "key-reused".to_owned()));
    let stranger = post("/payments").key("k").json(&json!({"amount": 5}));
    assert_eq!(stranger.send(&app).await.status, 401);
    let unknown = payment("/payments").key("other").send(&app).await;
    assert_eq!(problem(&unknown), (503, "store-unavailable".to_owned()));
    assert_eq!(db.payments().await, 1);
}

#[tokio::test]
async fn a_node_remembers_nothing_unless_it_is_told_to() {
    let db = TestDb::new().await;
    let idem = engine(&db).await;
    let app = app(idem.clone());
    let pay = payment("/payments").key("k");
    assert!(has_paid(&pay.send(&app).await));
    idem.pool().close().await;
    let retry = pay.send(&app).await;
    assert_eq!(problem(&retry), (503, "store-unavailable".to_owned()));
}

#[tokio::test]
async fn work_without_a_tx_is_remembered_too() {
    let db = TestDb::new().await;
    let idem = remembering(&db).await;
    let gate = Arc::<Gate>::default();
    let app = statements::app(idem.clone(), Arc::clone(&gate));
    gate.open.notify_one();
    let act = payment("/outside").key("k");
    let first = act.send(&app).await;
    assert!(first.status.is_success() && !first.is_replay(), "{first:?}");
    idem.pool().close().await;
    let retry = act.send(&app).await;
    assert!(retry.is_replay(), "{retry:?}");
}

#[tokio::test]
async fn a_handler_that_failed_is_not_remembered() {
    let db = TestDb::new().await;
    let idem = remembering(&db).await;
    let app = app(idem);
    let pay = payment("/then").header("x-then", "409").key("k");
    for _ in 0..2 {
        let failed = pay.send(&app).await;
        assert!(
            !failed.status.is_success() && !failed.is_replay(),
            "{failed:?}"
        );
    }
    assert_eq!(db.payments().await, 0);
}

#[tokio::test]
async fn an_invalidated_completion_is_forgotten() {
    let db = TestDb::new().await;
    let idem = remembering(&db).await;
    let app = app(idem.clone());
    let pay = payment("/payments").key("k");
    assert!(has_paid(&pay.send(&app).await));
    let mut found = idem
        .records(&RecordFilter::default(), None, 1)
        .await
        .unwrap();
    let name = found.remove(0).name;
    assert_eq!(invalidate(&idem, &name, "test").await, Invalidated::Gone);
    assert!(has_paid(&pay.send(&app).await));
    assert_eq!(db.payments().await, 2);
}

#[tokio::test]
async fn an_erasure_forgets_what_is_stored_and_what_still_runs() {
    let db = TestDb::new().await;
    let idem = remembering(&db).await;
    let gate = Arc::<Gate>::default();
    let app = app_with(idem.clone(), Arc::clone(&gate));
    let stored = payment("/payments").key("stored");
    assert!(has_paid(&stored.send(&app).await));
    let runs = payment("/gate").key("runs");
    let running = send(&app, runs.clone());
    gate.entered.notified().await;
    let erasing = tokio::spawn({
        let idem = idem.clone();
        async move { idem.erase(&Scope::new("acme").unwrap(), "test").await }
    });
    // The one writer is the handler, so the erasure follows it.
    let erased = match ONE_WRITER {
        true => {
            gate.open.notify_one();
            erasing.await
        }
        false => {
            let erased = erasing.await;
            gate.open.notify_one();
            erased
        }
    };
    assert!(erased.unwrap().unwrap() >= 1);
    assert!(has_paid(&running.await.unwrap()));
    idem.pool().close().await;
    for pay in [stored, runs] {
        let retry = pay.send(&app).await;
        assert_eq!(problem(&retry), (503, "store-unavailable".to_owned()));
    }
}
