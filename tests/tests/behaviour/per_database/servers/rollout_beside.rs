//! Observed and enforced attempts that write at the same time, which SQLite does not allow.

use std::sync::Arc;

use super::rollout::modes::records;
use super::rollout::moves::begin_at_gate;
use super::support::app::{Gate, app_with, engine_in, has_paid, payment};

#[tokio::test]
async fn an_observed_duplicate_does_not_wait_for_a_running_attempt() {
    let (db, idem, _, gate, running) = begin_at_gate("observe").await;
    let (other, observing) = (Arc::<Gate>::default(), idem.clone());
    for node in [idem, engine_in(&db, "observe").await] {
        other.open.notify_one();
        let app = app_with(node, Arc::clone(&other));
        assert!(has_paid(&payment("/gate").key("k").send(&app).await));
    }
    gate.open.notify_one();
    assert!(has_paid(&running.await.unwrap()));
    assert_eq!((db.payments().await, records(&observing).await), (3, 1));
}

#[tokio::test]
async fn an_enforced_attempt_replays_an_observed_one_that_finished_first() {
    let (db, _idem, _, gate, running) = begin_at_gate("enforce").await;
    let other = Arc::<Gate>::default();
    other.open.notify_one();
    let observing = app_with(engine_in(&db, "observe").await, other);
    let observed = payment("/gate").key("k").send(&observing).await;
    assert!(has_paid(&observed));
    gate.open.notify_one();
    let enforced = running.await.unwrap();
    assert!(enforced.is_replay(), "{enforced:?}");
    assert_eq!(enforced.body, observed.body);
    assert_eq!(db.payments().await, 1);
}
