//! Stored responses are encrypted with the application's keys, and read with the key of their record.

use idem_axum::RolloutMode::{Enforce, Observe};
use idem_axum::engine::{Error, Processed, RecordFilter};
use idem_axum::{EncryptionKeys, Idempotency, Inbox};
use idem_tests::http::Answer;
use sqlx::{AssertSqlSafe, Executor};

use super::super::support::app::{app, engine, has_paid, payment, problem};
use super::super::{Db, KEY, RECORD, TestDb, idem_on};

fn key(id: &str) -> [u8; 32] {
    let mut key = [7; 32];
    key[..id.len()].copy_from_slice(id.as_bytes());
    key
}

fn keys(id: &str) -> EncryptionKeys {
    EncryptionKeys::new(id, &key(id)).unwrap()
}

/// A node of its own on the database, with these keys.
async fn encrypting(db: &TestDb, keys: EncryptionKeys) -> Idempotency<Db> {
    let idem = idem_on(db.pool().await).encrypt_with(keys).build();
    idem.migrate().await.unwrap();
    idem
}

/// Format, fingerprint, headers and body of the records, as they are stored.
async fn rows(idem: &Idempotency<Db>) -> Vec<(i16, Vec<u8>, Vec<u8>, Vec<u8>)> {
    let select = format!("select format, fingerprint, headers, body from {RECORD} order by {KEY}");
    let rows = sqlx::query_as(AssertSqlSafe(select));
    rows.fetch_all(idem.pool()).await.unwrap()
}

async fn change(idem: &Idempotency<Db>, assignment: &str) {
    let update = AssertSqlSafe(format!("update {RECORD} set {assignment}"));
    idem.pool().execute(sqlx::raw_sql(update)).await.unwrap();
}

fn unreadable() -> (u16, String) {
    (503, "record-unreadable".to_owned())
}

fn shows(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|part| part == text.as_bytes())
}

#[tokio::test]
async fn an_encrypted_response_is_replayed_and_compared_on_every_node_with_its_key() {
    let db = TestDb::new().await;
    let idem = encrypting(&db, keys("one")).await;
    let other = app(encrypting(&db, keys("one")).await);
    for (path, status) in [("/payments", 201), ("/headers", 201), ("/then", 402)] {
        let mut pay = payment(path).key("k");
        if status == 402 {
            pay = pay.header("x-then", "402");
        }
        let first = pay.send(&app(idem.clone())).await;
        assert_eq!(first.status, status, "{path}");
        for node in [&app(idem.clone()), &other] {
            let retry = pay.send(node).await;
            assert!(retry.is_replay(), "{path} {retry:?}");
            assert_eq!(
                (retry.status, &retry.body),
                (first.status, &first.body),
                "{path}"
            );
            assert_eq!(retry.header("location"), first.header("location"), "{path}");
            let changed = pay.clone().body(r#"{"amount":6}"#).send(node).await;
            assert_eq!(problem(&changed), (422, "key-reused".to_owned()), "{path}");
        }
    }
    let stored = rows(&idem).await;
    assert_eq!(stored.len(), 3);
    for (format, fingerprint, headers, body) in stored {
        assert_eq!(
            (format, &fingerprint[..], &headers[..]),
            (2, &b""[..], &b"one"[..])
        );
        assert!(body.len() > 40 && !shows(&body, "amount") && !shows(&body, "json"));
    }
}

#[tokio::test]
async fn a_record_is_read_after_a_rotation_and_refused_without_its_key() {
    let db = TestDb::new().await;
    let old = encrypting(&db, keys("old")).await;
    let pay = payment("/payments").key("k");
    let first = pay.send(&app(old.clone())).await;
    assert!(has_paid(&first));
    let rotated = keys("new").also_reads("old", &key("old")).unwrap();
    let rotated = app(encrypting(&db, rotated).await);
    let retry = pay.send(&rotated).await;
    assert!(retry.is_replay() && retry.body == first.body, "{retry:?}");
    let changed = pay.clone().body(r#"{"amount":6}"#);
    assert_eq!(changed.send(&rotated).await.status, 422);
    let later = payment("/payments").key("later");
    assert!(has_paid(&later.send(&rotated).await));
    assert_eq!(rows(&old).await[1].2, b"new");

    let lost = encrypting(&db, keys("new")).await;
    assert!(later.send(&app(lost.clone())).await.is_replay());
    let plain = engine(&db).await;
    for node in [lost, plain] {
        let name = node
            .records(&RecordFilter::default().key("k".parse().unwrap()), None, 1)
            .await;
        let name = &name.unwrap()[0].name;
        for _ in 0..2 {
            assert_eq!(problem(&pay.send(&app(node.clone())).await), unreadable());
        }
        let shown = node.stored_response(name).await;
        assert!(matches!(shown, Err(Error::Unreadable)), "{shown:?}");
    }
    assert_eq!(db.payments().await, 2);
}

#[tokio::test]
async fn a_record_stored_in_the_clear_is_read_by_a_node_with_keys() {
    let db = TestDb::new().await;
    let plain = engine(&db).await;
    let pay = payment("/payments").key("k");
    assert!(has_paid(&pay.send(&app(plain.clone())).await));
    let encrypting = app(encrypting(&db, keys("one")).await);
    assert!(pay.send(&encrypting).await.is_replay());
    assert_eq!(
        pay.body(r#"{"amount":6}"#).send(&encrypting).await.status,
        422
    );
}

/// How encryption is turned off: no retry is refused on the way.
#[tokio::test]
async fn a_node_whose_key_only_reads_replays_what_is_encrypted_and_stores_in_the_clear() {
    let db = TestDb::new().await;
    let encrypting_node = encrypting(&db, keys("one")).await;
    let reading = EncryptionKeys::only_reads("one", &key("one")).unwrap();
    let reading_node = encrypting(&db, reading).await;
    let nodes = [app(encrypting_node), app(reading_node.clone())];
    let [before, after] = ["before", "since"].map(|key| payment("/payments").key(key));
    assert!(has_paid(&before.send(&nodes[0]).await));
    assert!(has_paid(&after.send(&nodes[1]).await));
    for pay in [&before, &after] {
        for node in &nodes {
            assert!(pay.send(node).await.is_replay());
            let changed = pay.clone().body(r#"{"amount":6}"#).send(node).await;
            assert_eq!(problem(&changed), (422, "key-reused".to_owned()));
        }
    }
    let formats: Vec<_> = rows(&reading_node).await.iter().map(|row| row.0).collect();
    assert_eq!(formats, [2, 1]);
}

#[tokio::test]
async fn a_changed_or_copied_row_is_neither_replayed_nor_run() {
    for assignment in [
        "status = 202",
        "body = headers",
        "headers = fingerprint",
        "format = 1",
        "KEY = 'other'",
        "scope = 'globex'",
    ] {
        let db = TestDb::new().await;
        let idem = encrypting(&db, keys("one")).await;
        let app = app(idem.clone());
        assert!(has_paid(&payment("/payments").key("k").send(&app).await));
        change(&idem, &assignment.replace("KEY", KEY)).await;
        let mut retry = payment("/payments").key("k");
        if assignment.starts_with("KEY") {
            retry = payment("/payments").key("other");
        } else if assignment.starts_with("scope") {
            retry = idem_tests::http::post("/payments").header("authorization", "Bearer globex");
            retry = retry.json(&serde_json::json!({ "amount": 5 })).key("k");
        }
        let answer: Answer = retry.send(&app).await;
        assert_eq!(problem(&answer), unreadable(), "{assignment}");
        assert_eq!(db.payments().await, 1, "{assignment}");
    }
}

#[tokio::test]
async fn an_operator_reads_an_encrypted_response() {
    let db = TestDb::new().await;
    let idem = encrypting(&db, keys("one")).await;
    let first = payment("/payments").key("k").send(&app(idem.clone())).await;
    let found = idem
        .records(&RecordFilter::default(), None, 1)
        .await
        .unwrap();
    let completion = idem.stored_response(&found[0].name).await.unwrap().unwrap();
    assert_eq!(
        (completion.status, &completion.body[..]),
        (201, &first.body[..])
    );
    let mut absent = found[0].name.clone();
    absent.key = "absent".parse().unwrap();
    assert!(idem.stored_response(&absent).await.unwrap().is_none());
}

#[tokio::test]
async fn an_observed_response_is_encrypted_too() {
    let db = TestDb::new().await;
    let idem = encrypting(&db, keys("one")).await;
    let app = app(idem.clone());
    let pay = payment("/payments").key("k");
    idem.rollout().set("*", Observe);
    assert!(has_paid(&pay.send(&app).await));
    assert_eq!(rows(&idem).await[0].0, 2);
    idem.rollout().set("*", Enforce);
    assert!(pay.send(&app).await.is_replay());
}

#[tokio::test]
async fn messages_are_not_encrypted() {
    let db = TestDb::new().await;
    let idem = encrypting(&db, keys("one")).await;
    let inbox = Inbox::new(idem.clone());
    for is_first in [true, false] {
        let processed = inbox
            .process("billing", "m", async |_| Ok::<_, Error>(()))
            .await;
        assert_eq!(matches!(processed.unwrap(), Processed::First(())), is_first);
    }
    assert_eq!(rows(&idem).await[0].0, 1);
}
