//! What the inbox writes to the application's log, and what it shares with requests.

use std::time::Duration;

use idem_axum::engine::{ConsumerPolicy, Inbox, Message, Processed};
use idem_axum::{IdempotencyKey, Scope};
use idem_tests::log::Log;

use super::TestDb;
use super::delivery::{deliver, pay};
use super::support::app::{app, engine, has_paid, payment};

#[tokio::test]
async fn the_inbox_warns_of_a_retention_that_is_shorter_than_the_redelivery() {
    let log = Log::shared();
    let db = TestDb::new().await;
    let idem = engine(&db).await;
    let day = Duration::from_secs(24 * 3600);
    let kept = ConsumerPolicy::default().retention(2 * day);
    let forgetful = format!("forgetful-{}", std::process::id());
    Inbox::builder(idem)
        .consumer(&forgetful, kept.redelivery(3 * day))
        .consumer("careful", kept.redelivery(2 * day))
        .consumer("unknowing", kept)
        .build()
        .unwrap();
    let text = log.text();
    let warned = |name: &str| {
        text.lines()
            .any(|line| line.contains("WARN") && line.contains(name))
    };
    assert!(warned(&forgetful));
    assert!(!warned("careful") && !warned("unknowing"));
}

#[tokio::test]
async fn building_an_inbox_refuses_a_consumer_name_that_cannot_be_stored() {
    let db = TestDb::new().await;
    for (name, fits) in [
        ("c".repeat(249), true),
        ("c".repeat(250), false),
        (String::new(), false),
    ] {
        let inbox = Inbox::builder(engine(&db).await);
        let built = inbox.consumer(&name, ConsumerPolicy::default()).build();
        assert_eq!(built.is_ok(), fits, "{} bytes", name.len());
    }
}

#[tokio::test]
async fn the_inbox_logs_no_id_scope_payload_or_error() {
    let log = Log::shared();
    let db = TestDb::new().await;
    let inbox = Inbox::builder(engine(&db).await);
    let policy = ConsumerPolicy::default().max_attempts(1);
    let inbox = inbox.consumer("billing", policy).build().unwrap();
    let message = Message::new("id-secret")
        .scope(Scope::new("scope-secret").unwrap())
        .payload("payload-secret");
    for _ in 0..2 {
        let failed = inbox
            .process("billing", message.clone(), async |_| {
                Err::<(), _>("error-secret")
            })
            .await;
        assert!(!matches!(failed, Ok(Processed::First(()))));
    }
    let text = log.text();
    for secret in [
        "id-secret",
        "scope-secret",
        "payload-secret",
        "error-secret",
    ] {
        assert!(!text.contains(secret), "{secret}");
    }
    // An operator finds the message by its digest.
    let digest = "id-secret".parse::<IdempotencyKey>().unwrap().digest();
    let is_told = |line: &str| line.contains("dead letter") && line.contains(&digest);
    assert!(text.lines().any(is_told));
}

#[tokio::test]
async fn the_inbox_shares_no_record_with_an_operation_of_the_same_name() {
    let db = TestDb::new().await;
    let idem = engine(&db).await;
    let inbox = Inbox::new(idem.clone());
    let message = || Message::new("k").scope(Scope::new("acme").unwrap());
    for consumer in ["POST /payments", "inbox:POST /payments"] {
        let first = inbox.process(consumer, message(), pay).await;
        assert!(matches!(first, Ok(Processed::First(_))), "{first:?}");
    }
    assert!(has_paid(
        &payment("/payments").key("k").send(&app(idem)).await
    ));
    assert!(matches!(
        deliver(&inbox, message()).await,
        Ok(Processed::First(_))
    ));
    assert_eq!(db.payments().await, 4);
}
