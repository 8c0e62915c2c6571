//! What is stored of one record and of one scope, for an operator.

use std::time::Duration;

use idem_axum::engine::{ConsumerPolicy, Error, Inbox, Message, RecordFilter, RecordName};
use idem_axum::{Idempotency, Scope};
use idem_tests::http;
use serde_json::json;
use sqlx::AssertSqlSafe;

use super::support::app::{app, engine, has_paid, payment};
use super::{Db, RECORD, TestDb, age_records};

async fn name_of_the_only_record(idem: &Idempotency<Db>) -> RecordName {
    let mut found = idem
        .records(&RecordFilter::default(), None, 2)
        .await
        .unwrap();
    let view = found.pop().unwrap();
    assert_eq!(found.len(), 0);
    view.name
}

#[tokio::test]
async fn an_operator_reads_the_stored_response_of_a_record() {
    let db = TestDb::new().await;
    let idem = engine(&db).await;
    let paid = payment("/payments").key("k").send(&app(idem.clone())).await;
    assert!(has_paid(&paid));
    let name = name_of_the_only_record(&idem).await;
    let told = idem.stored_response(&name).await.unwrap().unwrap();
    assert_eq!((told.status, &told.body), (201, &paid.body));
    let headers = String::from_utf8(told.headers).unwrap();
    assert!(
        headers.contains("content-type: application/json"),
        "{headers}"
    );

    let other = RecordName {
        key: "other".parse().unwrap(),
        ..name.clone()
    };
    assert_eq!(idem.stored_response(&other).await.unwrap(), None);
    // A client may ask what it was told after the ttl.
    age_records(idem.pool()).await;
    assert!(idem.stored_response(&name).await.unwrap().is_some());
}

#[tokio::test]
async fn a_response_in_a_format_of_a_newer_build_is_unreadable() {
    let db = TestDb::new().await;
    let idem = engine(&db).await;
    let pay = payment("/payments").key("k");
    assert!(has_paid(&pay.send(&app(idem.clone())).await));
    let name = name_of_the_only_record(&idem).await;
    let newer = AssertSqlSafe(format!("update {RECORD} set format = 99"));
    sqlx::query(newer).execute(idem.pool()).await.unwrap();
    let error = idem.stored_response(&name).await.unwrap_err();
    assert!(matches!(error, Error::Unreadable), "{error:?}");
}

#[tokio::test]
async fn what_an_erasure_would_delete_is_counted_before() {
    let db = TestDb::new().await;
    let idem = engine(&db).await;
    let app = app(idem.clone());
    for (tenant, key) in [("acme", "a"), ("acme", "b"), ("globex", "a")] {
        let pay = http::post("/payments").header("authorization", &format!("Bearer {tenant}"));
        let pay = pay.json(&json!({"amount": 5})).key(key);
        assert!(has_paid(&pay.send(&app).await));
    }
    let policy = ConsumerPolicy::default().max_attempts(2);
    let inbox = Inbox::builder(idem.clone()).consumer("billing", policy);
    let inbox = inbox.build().unwrap();
    let acme = Scope::new("acme").unwrap();
    // The first one is parked, and has a record too; the second one is still tried.
    for (id, attempts) in [("m1", 2), ("m2", 1)] {
        for _ in 0..attempts {
            let message = Message::new(id).scope(acme.clone());
            let failed = inbox.process("billing", message, async |_| Err::<(), _>("no"));
            failed.await.unwrap_err();
        }
    }
    let counted = idem.count_scope(&acme).await.unwrap();
    assert_eq!((counted.records, counted.failed_messages), (3, 2));
    assert_eq!(idem.erase(&acme, "test").await.unwrap(), 3);
    let counted = idem.count_scope(&acme).await.unwrap();
    assert_eq!((counted.records, counted.failed_messages), (0, 0));
    let others = idem.count_scope(&Scope::new("globex").unwrap()).await;
    let others = others.unwrap();
    assert_eq!((others.records, others.failed_messages), (1, 0));
    // Expired records are there until a sweep, and are counted until then.
    age_records(idem.pool()).await;
    let globex = idem.count_scope(&Scope::new("globex").unwrap()).await;
    assert_eq!(globex.unwrap().records, 1);
    tokio::time::timeout(Duration::from_secs(20), idem.sweep())
        .await
        .unwrap()
        .unwrap();
    let globex = idem.count_scope(&Scope::new("globex").unwrap()).await;
    assert_eq!(globex.unwrap().records, 0);
}
