//! Modes change while attempts run, and on one node before another.

use std::sync::Arc;

use axum::Router;
use idem_axum::RolloutMode::{Enforce, Observe, Off};
use idem_axum::RolloutRule;
use idem_axum::engine::Idempotency;
use idem_tests::a_moment;
use idem_tests::http::Answer;
use sqlx::AssertSqlSafe;
use tokio::task::JoinHandle;

use super::modes::{records, start_in};
use super::support::app::{Gate, app, app_with, engine_in, has_paid, payment, problem};
use super::{Db, ONE_WRITER, ROLLOUT, TestDb};

/// Starts an attempt that waits at the gate, in its transaction.
pub async fn begin_at_gate(
    plan: &str,
) -> (
    TestDb,
    Idempotency<Db>,
    Router,
    Arc<Gate>,
    JoinHandle<Answer>,
) {
    let (db, idem, _) = start_in(plan).await;
    let gate = Arc::<Gate>::default();
    let app = app_with(idem.clone(), Arc::clone(&gate));
    let running = tokio::spawn({
        let app = app.clone();
        async move { payment("/gate").key("k").send(&app).await }
    });
    gate.entered.notified().await;
    (db, idem, app, gate, running)
}

#[tokio::test]
async fn a_running_observed_attempt_excludes_an_enforced_one() {
    let (db, idem, _, gate, running) = begin_at_gate("observe").await;
    idem.rollout().set("*", Enforce);
    let other = app(Idempotency::new(db.pool().await));
    if !ONE_WRITER {
        let elsewhere = payment("/gate").key("k").send(&other).await;
        assert_eq!(problem(&elsewhere), (409, "in-flight".to_owned()));
    }
    gate.open.notify_one();
    let first = running.await.unwrap();
    assert!(has_paid(&first));
    let retry = payment("/gate").key("k").send(&other).await;
    assert!(retry.is_replay());
    assert_eq!(retry.body, first.body);
    assert_eq!(db.payments().await, 1);
}

#[tokio::test]
async fn a_waiter_for_an_observed_attempt_replays_its_response() {
    let (db, idem, app, gate, running) = begin_at_gate("observe").await;
    idem.rollout().set("*", Enforce);
    let waiting = tokio::spawn(async move { payment("/gate").key("k").send(&app).await });
    // It has queued when the node counts two attempts.
    while idem.running() < 2 {
        a_moment().await;
    }
    gate.open.notify_one();
    let first = running.await.unwrap();
    let waited = waiting.await.unwrap();
    assert!(waited.is_replay(), "{waited:?}");
    assert_eq!(waited.body, first.body);
    assert_eq!(db.payments().await, 1);
}

#[tokio::test]
async fn an_attempt_ends_in_the_mode_it_began_in() {
    let (db, idem, app, gate, running) = begin_at_gate("enforce").await;
    idem.rollout().set("*", Off);
    gate.open.notify_one();
    assert!(has_paid(&running.await.unwrap()));
    assert_eq!(records(&idem).await, 1);
    idem.rollout().set("*", Enforce);
    assert!(payment("/gate").key("k").send(&app).await.is_replay());
    assert_eq!(db.payments().await, 1);
}

#[tokio::test]
async fn an_observing_node_stores_records_for_an_enforcing_one() {
    let (db, idem, observing) = start_in("observe").await;
    let enforcing = app(engine_in(&db, "enforce").await);
    let off = app(engine_in(&db, "off").await);
    let pay = |key: &str| payment("/payments").key(key);
    assert!(has_paid(&pay("observed").send(&observing).await));
    assert!(pay("observed").send(&enforcing).await.is_replay());
    // The two ways in which it is paid twice: whoever does not enforce comes second, or has left
    // nothing behind.
    assert!(has_paid(&pay("enforced").send(&enforcing).await));
    assert!(has_paid(&pay("enforced").send(&observing).await));
    assert!(has_paid(&pay("off").send(&off).await));
    assert!(has_paid(&pay("off").send(&enforcing).await));
    assert!(pay("off").send(&enforcing).await.is_replay());
    assert_eq!((db.payments().await, records(&idem).await), (5, 3));
}

#[tokio::test]
async fn a_published_rollout_moves_all_nodes() {
    let (db, one, _) = start_in("observe").await;
    let other = engine_in(&db, "observe; POST /refunds=off").await;
    let rule: RolloutRule = "observe>enforce@25%".parse().unwrap();
    one.publish_rollout("POST /payments", Some(rule))
        .await
        .unwrap();
    assert_eq!(one.rollout().rule("POST /payments"), rule);
    assert!(other.read_rollout().await.unwrap());
    assert!(!other.read_rollout().await.unwrap());
    let plan = "*=observe; POST /payments=observe>enforce@25%; POST /refunds=off";
    assert_eq!(other.rollout().plan().to_string(), plan);

    one.publish_rollout("*", Some(Enforce.into()))
        .await
        .unwrap();
    one.publish_rollout("POST /payments", Some(Off.into()))
        .await
        .unwrap();
    assert!(other.read_rollout().await.unwrap());
    let plan = "*=enforce; POST /payments=off; POST /refunds=off";
    assert_eq!(other.rollout().plan().to_string(), plan);
    // A rule that is none stays what it was, and the others hold.
    let spoil = format!("update {ROLLOUT} set rule = 'on' where rule = 'off'");
    sqlx::raw_sql(AssertSqlSafe(spoil))
        .execute(one.pool())
        .await
        .unwrap();
    assert!(!other.read_rollout().await.unwrap());
    assert_eq!(other.rollout().plan().to_string(), plan);

    for operation in ["*", "POST /payments"] {
        one.publish_rollout(operation, None).await.unwrap();
    }
    other.read_rollout().await.unwrap();
    assert_eq!(
        other.rollout().plan().to_string(),
        "*=observe; POST /refunds=off"
    );
    assert_eq!(other.rollout().rule("POST /payments"), Observe.into());
    // While it cannot be read the rules stay as they are.
    one.publish_rollout("*", Some(Enforce.into()))
        .await
        .unwrap();
    other.read_rollout().await.unwrap();
    let drop = format!("drop table {ROLLOUT}");
    sqlx::raw_sql(AssertSqlSafe(drop))
        .execute(one.pool())
        .await
        .unwrap();
    other.read_rollout().await.unwrap_err();
    assert_eq!(other.rollout().rule("POST /payments"), Enforce.into());
}

#[tokio::test]
async fn follow_rollout_applies_published_rules_until_the_shutdown() {
    let (db, one, _) = start_in("off").await;
    let other = engine_in(&db, "off").await;
    let following = tokio::spawn({
        let other = other.clone();
        async move {
            other
                .follow_rollout(std::time::Duration::from_millis(5))
                .await;
        }
    });
    one.publish_rollout("*", Some(Enforce.into()))
        .await
        .unwrap();
    while other.rollout().rule("any") != Enforce.into() {
        a_moment().await;
    }
    other
        .shutdown(std::time::Duration::from_secs(10))
        .await
        .unwrap();
    following.await.unwrap();
}

#[tokio::test]
async fn the_published_rules_are_listed_and_change_nothing_on_the_node() {
    let (db, idem, _) = start_in("observe").await;
    for (operation, rule) in [
        ("b", "off"),
        ("*", "validate"),
        ("a", "observe>enforce@25%"),
    ] {
        let rule = Some(rule.parse().unwrap());
        idem.publish_rollout(operation, rule).await.unwrap();
    }
    let break_b = AssertSqlSafe(format!(
        "update {ROLLOUT} set rule = 'on' where operation = 'b'"
    ));
    sqlx::query(break_b).execute(idem.pool()).await.unwrap();
    let other = Idempotency::new(db.pool().await);
    let published = other.published_rollout().await.unwrap();
    let shown: Vec<_> = published
        .iter()
        .map(|one| match &one.rule {
            Ok(rule) => format!("{}={rule}", one.operation),
            Err(error) => format!("{}: {error}", one.operation),
        })
        .collect();
    assert_eq!(shown[..2], ["*=validate", "a=observe>enforce@25%"]);
    assert!(
        shown[2].starts_with("b: `on` is not a rollout rule"),
        "{shown:?}"
    );
    assert_eq!(other.rollout().plan().to_string(), "*=enforce");
}
