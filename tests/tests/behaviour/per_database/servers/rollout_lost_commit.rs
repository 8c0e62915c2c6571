//! The connection is lost while an unenforced attempt commits.

use std::time::Duration;

use idem_axum::Idempotency;
use idem_tests::a_moment;
use idem_tests::log::Log;
use idem_tests::proxy::{Action, Proxy};
use tokio::time::timeout;

use super::http::log::says;
use super::rollout::modes::records;
use super::support::app::{app, engine, engine_in, has_paid, payment, problem};
use super::support::scripted_app::send;
use super::{ASKS, COMMIT, STORES, TestDb, idem_on, pool_at};

#[tokio::test]
async fn an_observed_commit_with_a_lost_acknowledgement_is_found_by_its_record() {
    let (db, proxy, idem) = start("observe").await;
    let commit = proxy.on(COMMIT, Action::CutAnswer);
    let pay = payment("/payments").key("k");
    let paid = pay.send(&app(idem.clone())).await;
    assert!(commit.is_reached());
    assert!(has_paid(&paid), "{paid:?}");
    assert_eq!((db.payments().await, records(&idem).await), (1, 1));
}

#[tokio::test]
async fn an_observed_attempt_completes_when_its_client_disconnects_during_recording() {
    let (db, proxy, idem) = start("observe").await;
    let (number, store) = STORES;
    let insert = proxy.on_nth(number, store, Action::HoldAnswer);
    let sent = send(&app(idem.clone()), payment("/payments").key("k"));
    insert.reached().await;
    sent.abort();
    assert!(sent.await.unwrap_err().is_cancelled());
    insert.resume();
    while idem.running() > 0 {
        a_moment().await;
    }
    assert_eq!((db.payments().await, records(&idem).await), (1, 1));
}

#[tokio::test]
async fn an_observed_commit_that_never_arrived_gets_503_try_again() {
    let log = Log::shared();
    // What is lost before the COMMIT needs no looking up.
    for (case, statement) in [(1, COMMIT), (2, "savepoint idem_note")] {
        let (db, proxy, idem) = start("observe").await;
        let cut = proxy.on(statement, Action::Cut);
        let key = format!("{}-{case}", module_path!());
        let pay = payment("/payments").key(&key);
        let lost = pay.send(&app(idem.clone())).await;
        assert!(cut.is_reached(), "{statement}");
        assert_eq!(problem(&lost), (503, "try-again".to_owned()), "{statement}");
        assert_eq!((db.payments().await, records(&idem).await), (0, 0));
        let text = log.text();
        assert!(
            says(&text, &key, "outcome=\"failed\""),
            "{statement}: {text}"
        );
        assert!(!says(&text, &key, "would_"), "{statement}: {text}");
    }
}

#[tokio::test]
async fn an_observed_attempt_that_loses_its_first_connection_is_still_recorded() {
    let (db, proxy, idem) = start("observe").await;
    let app = app(idem.clone());
    let ask = proxy.on(ASKS, Action::Cut);
    for (number, key) in (1..).zip(["lost", "next"]) {
        let paid = payment("/payments").key(key).send(&app).await;
        assert!(has_paid(&paid), "{key}: {paid:?}");
        assert!(ask.is_reached());
        assert_eq!(
            (db.payments().await, records(&idem).await),
            (number, number)
        );
    }
}

#[tokio::test]
async fn an_observed_duplicate_does_not_wait_for_an_unfinished_commit() {
    let (db, proxy, idem) = start("observe").await;
    let commit = proxy.on(COMMIT, Action::Hold);
    let first = tokio::spawn({
        let app = app(idem.clone());
        async move { payment("/payments").key("k").send(&app).await }
    });
    commit.reached().await;
    // Its record is there and not committed.
    for node in [idem.clone(), engine_in(&db, "observe").await] {
        let duplicate = payment("/payments").key("k");
        let app = app(node);
        let paid = timeout(Duration::from_secs(30), duplicate.send(&app)).await;
        assert!(has_paid(&paid.unwrap()));
    }
    commit.resume();
    assert!(has_paid(&first.await.unwrap()));
    assert_eq!((db.payments().await, records(&idem).await), (3, 1));
}

/// Here no retry can find the outcome.
#[tokio::test]
async fn a_lost_commit_without_a_record_is_reported_as_unclear() {
    for (mode, with_key) in [("off", true), ("observe", false)] {
        let (db, proxy, idem) = start(mode).await;
        let commit = proxy.on(COMMIT, Action::CutAnswer);
        let pay = payment("/payments");
        let pay = if with_key { pay.key("k") } else { pay };
        let lost = pay.send(&app(idem)).await;
        assert!(commit.is_reached());
        assert_eq!(problem(&lost), (500, "commit-unclear".to_owned()), "{mode}");
        assert!(lost.header("retry-after").is_none(), "{mode}");
        assert_eq!(db.payments().await, 1, "{mode}");
    }
}

#[tokio::test]
async fn an_attempt_after_a_lost_connection_gets_a_clean_one() {
    for mode in ["off", "observe"] {
        let (db, proxy, idem) = start(mode).await;
        let app = app(idem);
        let insert = proxy.on("insert into payment", Action::CutAnswer);
        let pay = payment("/payments").key("k");
        assert_eq!(pay.send(&app).await.status, 500, "{mode}");
        assert!(insert.is_reached());
        assert_eq!(db.payments().await, 0, "{mode}");
        assert!(has_paid(&pay.send(&app).await), "{mode}");
        assert_eq!(db.payments().await, 1, "{mode}");
    }
}

/// The application reaches its database through the proxy.
async fn start(mode: &str) -> (TestDb, Proxy, Idempotency<super::Db>) {
    let db = TestDb::new().await;
    engine(&db).await.pool().close().await;
    let proxy = Proxy::to(&db.url()).await;
    let pool = pool_at(proxy.url(), 10).await;
    let idem = idem_on(pool).rollout(mode.parse().unwrap());
    (db, proxy, idem.build())
}
