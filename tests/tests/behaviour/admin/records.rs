//! Operators list, count and invalidate records.

use std::time::Duration;

use idem_axum::engine::{Invalidated, RecordFilter, RecordState, RecordView};
use idem_axum::{Idempotency, IdempotencyKey, Scope};
use idem_tests::http;
use idem_tests::log::Log;
use serde_json::json;

use super::support::app::{Gate, app, app_with, engine, has_paid, invalidate, payment};
use super::{Db, ONE_WRITER, TestDb, age_records};

fn key(key: &str) -> IdempotencyKey {
    key.parse().unwrap()
}

async fn names(idem: &Idempotency<Db>, filter: RecordFilter) -> Vec<String> {
    let found = idem.records(&filter, None, 100).await.unwrap();
    let name = |view: RecordView| {
        let name = view.name;
        format!(
            "{} {} {}",
            name.scope.as_str(),
            name.operation.as_str(),
            name.key.as_str()
        )
    };
    found.into_iter().map(name).collect()
}

#[tokio::test]
async fn records_are_listed_by_scope_operation_and_key() {
    let db = TestDb::new().await;
    let idem = engine(&db).await;
    let app = app(idem.clone());
    for (tenant, path, key) in [
        ("acme", "/payments", "a"),
        ("acme", "/waiting", "a"),
        ("globex", "/payments", "a"),
        ("globex", "/payments", "b"),
    ] {
        let pay = http::post(path).header("authorization", &format!("Bearer {tenant}"));
        let pay = pay.json(&json!({"amount": 5})).key(key);
        assert!(has_paid(&pay.send(&app).await));
    }
    let of = RecordFilter::default;
    let globex = Scope::new("globex").unwrap();
    assert_eq!(names(&idem, of()).await.len(), 4);
    let listed = names(&idem, of().scope(globex.clone())).await;
    assert_eq!(
        listed,
        ["globex POST /payments a", "globex POST /payments b"]
    );
    let listed = names(&idem, of().operation("POST /waiting")).await;
    assert_eq!(listed, ["acme POST /waiting a"]);
    let listed = names(&idem, of().scope(globex).key(key("b"))).await;
    assert_eq!(listed, ["globex POST /payments b"]);
    assert_eq!(names(&idem, of().key(key("c"))).await, [""; 0]);

    let mut paged = Vec::new();
    let mut last: Option<RecordView> = None;
    loop {
        let page = idem.records(&of(), last.as_ref(), 3).await.unwrap();
        let Some(end) = page.last() else { break };
        last = Some(end.clone());
        paged.extend(page);
    }
    assert_eq!(paged.len(), 4);
    let view = &paged[0];
    assert_eq!((view.status, view.state), (201, RecordState::Completed));
    assert!(view.bytes > 10, "{view:?}");
    let ttl = view.expires_at.duration_since(view.stored_at).unwrap();
    assert!(
        ttl.abs_diff(Duration::from_secs(24 * 3600)) < Duration::from_secs(5),
        "{ttl:?}"
    );
    // Neither the answer nor the key is in what may be logged.
    let shown = format!("{view:?}");
    assert!(
        !shown.contains("amount") && !shown.contains("\"a\""),
        "{shown}"
    );
}

#[tokio::test]
async fn records_are_counted_by_operation_state_and_age() {
    let db = TestDb::new().await;
    let idem = engine(&db).await;
    let app = app(idem.clone());
    assert!(has_paid(&payment("/payments").key("old").send(&app).await));
    age_records(idem.pool()).await;
    for key in ["a", "b"] {
        assert!(has_paid(&payment("/payments").key(key).send(&app).await));
    }
    let broken = payment("/then").header("x-then", "commit").key("c");
    assert_eq!(broken.send(&app).await.status, 500);
    let counted = idem.count_records().await.unwrap();
    let hour = Some(Duration::from_secs(3_600));
    let of = |operation: &str, state| -> u64 {
        let of = counted
            .iter()
            .filter(|count| count.operation == operation && count.state == state);
        of.map(|count| count.records).sum()
    };
    assert_eq!(of("POST /payments", RecordState::Expired), 1);
    assert_eq!(of("POST /payments", RecordState::Completed), 2);
    assert_eq!(of("POST /then", RecordState::Broken), 1);
    let young = counted
        .iter()
        .filter(|count| count.state == RecordState::Completed);
    assert!(
        young.clone().all(|count| count.within == hour),
        "{counted:?}"
    );
}

#[tokio::test]
async fn invalidating_a_record_lets_its_key_run_again() {
    let db = TestDb::new().await;
    let log = Log::shared();
    let idem = engine(&db).await;
    let app = app(idem.clone());
    let pay = payment("/payments").key("k");
    assert!(has_paid(&pay.send(&app).await));
    let view = idem
        .records(&RecordFilter::default(), None, 1)
        .await
        .unwrap()
        .remove(0);
    let by = format!("ticket 17, {}", module_path!());
    for expected in [Invalidated::Gone, Invalidated::Absent] {
        assert_eq!(invalidate(&idem, &view.name, &by).await, expected);
    }
    let text = log.text();
    let mut lines = text
        .lines()
        .filter(|line| line.contains("idem::audit") && line.contains(&by));
    let line = lines.find(|line| line.contains("Gone")).unwrap();
    for said in [view.name.key.digest(), "acme".to_owned()] {
        assert!(line.contains(&said), "{said} is not in {line}");
    }
    assert!(has_paid(&pay.send(&app).await));
    assert!(pay.send(&app).await.is_replay());
    assert_eq!(db.payments().await, 2);
}

#[tokio::test]
async fn a_running_attempt_cannot_be_invalidated() {
    let db = TestDb::new().await;
    let (idem, other) = (engine(&db).await, engine(&db).await);
    let gate = std::sync::Arc::<Gate>::default();
    let app = app_with(idem.clone(), std::sync::Arc::clone(&gate));
    gate.open.notify_one();
    assert!(has_paid(&payment("/gate").key("k").send(&app).await));
    gate.entered.notified().await;
    let name = idem
        .records(&RecordFilter::default(), None, 1)
        .await
        .unwrap()
        .remove(0)
        .name;
    age_records(idem.pool()).await;

    let running = tokio::spawn({
        let app = app.clone();
        async move { payment("/gate").key("k").send(&app).await }
    });
    gate.entered.notified().await;
    assert_eq!(
        idem.invalidate(&name, "test").await.unwrap(),
        Invalidated::InFlight
    );
    if !ONE_WRITER {
        assert_eq!(
            other.invalidate(&name, "test").await.unwrap(),
            Invalidated::InFlight
        );
    }
    gate.open.notify_one();
    assert!(has_paid(&running.await.unwrap()));
    assert!(payment("/gate").key("k").send(&app).await.is_replay());
    assert_eq!(invalidate(&other, &name, "test").await, Invalidated::Gone);
    assert_eq!(db.payments().await, 2);
}
