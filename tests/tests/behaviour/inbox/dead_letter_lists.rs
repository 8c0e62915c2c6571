//! Dead letters are counted by consumer, and found by number and by message.

use idem_axum::Scope;
use idem_axum::engine::{ConsumerPolicy, Inbox, Message};

use super::support::app::engine;
use super::{Db, TestDb};

async fn start() -> (TestDb, Inbox<Db>) {
    let db = TestDb::new().await;
    let mut inbox = Inbox::builder(engine(&db).await);
    let once = ConsumerPolicy::default().max_attempts(1);
    for consumer in ["Billing", "billing", "mail", "zero"] {
        inbox = inbox.consumer(consumer, once);
    }
    (db, inbox.build().unwrap())
}

async fn park<'m>(inbox: &Inbox<Db>, consumer: &str, message: impl Into<Message<'m>>) {
    let failed = inbox
        .process(consumer, message, async |_| Err::<(), _>("no"))
        .await;
    failed.unwrap_err();
}

async fn counts(inbox: &Inbox<Db>) -> Vec<(String, u64)> {
    let counted = inbox.count_dead_letters().await.unwrap();
    let counted = counted.into_iter();
    counted.map(|one| (one.consumer, one.letters)).collect()
}

#[tokio::test]
async fn dead_letters_are_counted_by_consumer() {
    let (_db, inbox) = start().await;
    assert_eq!(counts(&inbox).await, []);
    for (consumer, id) in [("mail", "m1"), ("billing", "m1"), ("billing", "m2")] {
        park(&inbox, consumer, id).await;
    }
    // A message that is still tried is no dead letter.
    let tried = ConsumerPolicy::default().max_attempts(2);
    let patient = Inbox::builder(inbox.idempotency().clone()).consumer("zero", tried);
    park(&patient.build().unwrap(), "zero", "m1").await;
    let expected = [("billing".to_owned(), 2), ("mail".to_owned(), 1)];
    assert_eq!(counts(&inbox).await, expected);

    let letters = inbox.dead_letters("billing", None, 10).await.unwrap();
    let counted = inbox.count_dead_letters().await.unwrap();
    assert_eq!(counted[0].oldest, letters[0].parked_at);
    assert!(inbox.discard(&letters[0]).await.unwrap());
    assert_eq!(counts(&inbox).await[0], ("billing".to_owned(), 1));
}

/// Names are compared by their bytes, whatever a collation says of case and accents.
#[tokio::test]
async fn consumers_whose_names_differ_in_case_are_counted_apart() {
    let (_db, inbox) = start().await;
    for (consumer, id) in [("Billing", "m1"), ("billing", "m1"), ("billing", "m2")] {
        park(&inbox, consumer, id).await;
    }
    let expected = [("Billing".to_owned(), 1), ("billing".to_owned(), 2)];
    assert_eq!(counts(&inbox).await, expected);
    let records = inbox.idempotency().count_records().await.unwrap();
    let records = records.into_iter().map(|one| (one.operation, one.records));
    let records: Vec<_> = records.collect();
    let expected = [
        ("inbox:Billing".to_owned(), 1),
        ("inbox:billing".to_owned(), 2),
    ];
    assert_eq!(records, expected);
}

#[tokio::test]
async fn all_dead_letters_of_a_message_are_found_and_differ_by_their_number() {
    let (_db, inbox) = start().await;
    let acme = Scope::new("acme").unwrap();
    park(&inbox, "billing", "m1").await;
    park(&inbox, "billing", Message::new("m1").scope(acme)).await;
    park(&inbox, "billing", "m2").await;
    let found = inbox.dead_letters_of("billing", "m1").await.unwrap();
    let scopes: Vec<_> = found.iter().map(|one| one.scope().as_str()).collect();
    assert_eq!(scopes, ["global", "acme"]);
    assert!(found[0].number() < found[1].number());
    assert!(found.iter().all(|one| one.consumer() == "billing"));
    let latest = inbox.dead_letter("billing", "m1").await.unwrap().unwrap();
    assert_eq!(latest.number(), found[1].number());
    let none = inbox.dead_letters_of("mail", "m1").await.unwrap();
    assert_eq!(none.len(), 0);
}
