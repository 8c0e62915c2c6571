//! A handler changes session settings: its own response is right, and the next attempt works.

use idem_axum::Idempotency;
use idem_axum::engine::{Claim, Engine, Inbox, MessageOutcome, RecordFilter};

use super::faults::cancellation::attempt;
use super::inbox::batches::process;
use super::inbox::delivery::deliver;
use super::left_open::impatient;
use super::servers::session_state::{acting, start};
use super::session::{LASTING_SETTINGS, SPOILING_SETTINGS, UNREADABLE_SETTINGS};
use super::support::app::{engine, has_paid, payment, problem};
use super::{Db, TestDb};

#[tokio::test]
async fn session_settings_left_by_a_handler_affect_no_later_attempt() {
    for sql in LASTING_SETTINGS {
        let (db, pool, app) = start(&[]).await;
        assert!(has_paid(&acting("1", sql).send(&app).await), "{sql}");
        let retry = payment("/act").key("1").send(&app).await;
        assert!(retry.is_replay(), "{sql}: {retry:?}");
        let next = payment("/act").key("2");
        assert!(has_paid(&next.send(&app).await), "{sql}");
        assert!(next.send(&app).await.is_replay(), "{sql}");
        assert_eq!(db.payments().await, 2, "{sql}");

        let idem = Idempotency::new(pool);
        let inbox = Inbox::new(idem.clone());
        deliver(&inbox, "m1").await.unwrap();
        let outcomes = process(&inbox, &["m1", "m2", "m3"]).await;
        use MessageOutcome::{Duplicate, First};
        assert_eq!(outcomes, [Duplicate, First, First], "{sql}");
        reads_all(&idem, sql).await;
        assert_eq!(db.payments().await, 5, "{sql}");
    }
}

/// Idem's own statements see all rows, whatever limit the session has.
async fn reads_all(idem: &Idempotency<Db>, sql: &str) {
    let records = idem.records(&RecordFilter::default(), None, 10).await;
    assert_eq!(records.unwrap().len(), 5, "{sql}");
    let counted = idem.count_records().await.unwrap();
    assert_eq!(counted.iter().map(|count| count.records).sum::<u64>(), 5);
    assert_eq!(counted.len(), 2, "{sql}");
    for operation in ["pay", "refund"] {
        let rule = Some("observe".parse().unwrap());
        idem.publish_rollout(operation, rule).await.unwrap();
    }
    let rollout = idem.rollout();
    let plan = rollout.plan().to_string();
    assert!(
        plan.contains("pay") && plan.contains("refund"),
        "{sql}: {plan}"
    );
    assert_eq!(idem.sweep().await.unwrap(), 0, "{sql}");
}

/// A session whose settings prevent the record is not used again.
#[tokio::test]
async fn session_settings_that_prevent_the_record_fail_one_attempt_only() {
    for sql in SPOILING_SETTINGS {
        let (db, _, app) = start(&[]).await;
        let refused = acting("k", sql).send(&app).await;
        let (status, name) = problem(&refused);
        let is_refused = ["not-committed", "commit-refused"].contains(&name.as_str());
        assert!(status == 500 && is_refused, "{sql}: {name}");
        assert_eq!(db.payments().await, 0, "{sql}");
        let retry = payment("/act").key("k").send(&app).await;
        assert!(has_paid(&retry), "{sql}: {retry:?}");
        assert!(payment("/act").key("k").send(&app).await.is_replay());
        assert_eq!(db.payments().await, 1, "{sql}");
    }
}

#[tokio::test]
async fn session_settings_that_make_the_probe_unreadable_fail_no_attempt() {
    for sql in UNREADABLE_SETTINGS {
        let (db, _, app) = start(&[]).await;
        assert!(has_paid(&acting("k", sql).send(&app).await), "{sql}");
        let retry = payment("/act").key("k");
        assert!(retry.send(&app).await.is_replay(), "{sql}");
        assert_eq!(db.payments().await, 1, "{sql}");
    }
}

/// The lock's name has the same bytes in each character set.
#[tokio::test]
async fn sessions_with_different_character_sets_exclude_each_other() {
    let db = TestDb::new().await;
    let idem = engine(&db).await;
    for collation in ["ucs2_general_ci", "utf32_general_ci", "latin1_bin"] {
        let pool = db
            .pool_with(1, &[("collation_connection", collation)])
            .await;
        let other = Idempotency::new(pool);
        let Claim::Fresh(first) = idem.claim(attempt("k")).await.unwrap() else {
            panic!("{collation}");
        };
        let second = other.claim(impatient("k")).await.unwrap();
        assert!(matches!(second, Claim::InFlight), "{collation}: {second:?}");
        first.release(|| panic!("it is not broken")).await.unwrap();
        let third = other.claim(impatient("k")).await.unwrap();
        assert!(matches!(third, Claim::Fresh(_)), "{collation}: {third:?}");
    }
}
