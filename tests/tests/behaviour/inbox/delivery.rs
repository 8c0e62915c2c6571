//! A message is handled once per consumer, however often it is delivered.

use std::future::pending;
use std::sync::Arc;

use idem_axum::engine::{Failure, Inbox, Message, ProcessError, Processed, Settlement};
use idem_axum::{Scope, Tx};
use idem_tests::a_moment;
use tokio::sync::Notify;

use super::support::app::engine;
use super::{Db, INSERT_PAYMENT, IS_NAMED, ONE_WRITER, TestDb, age_records};

/// An inbox with its tables, and a database with payments.
pub async fn start() -> (TestDb, Inbox<Db>) {
    let db = TestDb::new().await;
    let inbox = Inbox::new(engine(&db).await);
    (db, inbox)
}

/// The effect of a message.
pub async fn pay(tx: &mut Tx<'_, Db>) -> sqlx::Result<i64> {
    let insert = sqlx::query_scalar(INSERT_PAYMENT).persistent(IS_NAMED);
    let insert = insert.bind("acme").bind(5_i64).bind("-");
    insert.fetch_one(&mut **tx).await
}

pub type Done = Result<Processed<i64>, ProcessError<sqlx::Error>>;

pub async fn deliver<'m>(inbox: &Inbox<Db>, message: impl Into<Message<'m>>) -> Done {
    inbox.process("billing", message, pay).await
}

/// On one thread, which no answer may keep.
#[tokio::test]
async fn a_message_that_is_delivered_again_at_once_lets_its_first_attempt_end() {
    let (db, inbox) = start().await;
    let first = tokio::spawn({
        let inbox = inbox.clone();
        async move { deliver(&inbox, "m1").await.map(|_| ()) }
    });
    let again = loop {
        match deliver(&inbox, "m1").await {
            Ok(Processed::InFlight) => {}
            again => break again,
        }
    };
    assert!(
        matches!(again, Ok(Processed::First(_) | Processed::Duplicate)),
        "{again:?}"
    );
    first.await.unwrap().unwrap();
    assert_eq!(db.payments().await, 1);
}

#[tokio::test]
async fn the_inbox_handles_a_message_once() {
    let (db, inbox) = start().await;
    let first = deliver(&inbox, "m1").await;
    assert!(matches!(first, Ok(Processed::First(_))), "{first:?}");
    assert_eq!(Settlement::of(&first), Settlement::Ack);
    for _ in 0..3 {
        let again = deliver(&inbox, "m1").await;
        assert!(matches!(again, Ok(Processed::Duplicate)), "{again:?}");
        assert_eq!(Settlement::of(&again), Settlement::Ack);
    }
    assert_eq!(db.payments().await, 1);
}

#[tokio::test]
async fn the_inbox_handles_a_message_once_per_consumer_scope_and_id() {
    let (db, inbox) = start().await;
    let long = "m".repeat(300);
    let acme = Scope::new("acme").unwrap();
    for consumer in ["billing", "receipts"] {
        for message in [
            Message::new("m1"),
            Message::new("m1").scope(acme.clone()),
            Message::new("m2"),
            Message::new("anything").business_key("m1"),
            Message::new(&long),
            Message::new("m1\0"),
            Message::new(b"\xff\xfe"),
        ] {
            let first = inbox.process(consumer, message.clone(), pay).await;
            assert!(matches!(first, Ok(Processed::First(_))), "{first:?}");
            let again = inbox.process(consumer, message, pay).await;
            assert!(matches!(again, Ok(Processed::Duplicate)), "{again:?}");
        }
    }
    assert_eq!(db.payments().await, 14);
    // What the key says is the same business, whatever the id.
    let other = Message::new("something else").business_key("m1");
    assert!(matches!(
        deliver(&inbox, other).await,
        Ok(Processed::Duplicate)
    ));
}

#[tokio::test]
async fn the_inbox_rolls_back_a_failed_message_and_handles_its_redelivery() {
    let (db, inbox) = start().await;
    let failed = inbox
        .process("billing", "m1", async |tx| {
            pay(tx).await.map_err(|error| error.to_string())?;
            Err::<i64, _>("no ledger".to_owned())
        })
        .await;
    let Err(ProcessError::Failed {
        failure: Failure::Returned(error),
        attempts: 1,
        is_parked: false,
    }) = &failed
    else {
        panic!("{failed:?}")
    };
    assert_eq!(error, "no ledger");
    assert!(matches!(Settlement::of(&failed), Settlement::Retry { .. }));
    assert_eq!(db.payments().await, 0);
    assert!(matches!(
        deliver(&inbox, "m1").await,
        Ok(Processed::First(_))
    ));
    assert_eq!(db.payments().await, 1);
}

#[tokio::test]
async fn the_inbox_survives_a_panic_of_the_handler() {
    let (db, inbox) = start().await;
    let failed: Done = inbox
        .process("billing", "m1", async |tx| {
            pay(tx).await?;
            panic!("of the handler")
        })
        .await;
    assert!(
        matches!(
            failed,
            Err(ProcessError::Failed {
                failure: Failure::Panicked,
                attempts: 1,
                ..
            })
        ),
        "{failed:?}"
    );
    assert_eq!(db.payments().await, 0);
    assert!(matches!(
        deliver(&inbox, "m1").await,
        Ok(Processed::First(_))
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_inbox_does_not_wait_for_a_message_that_is_being_handled() {
    let (db, inbox) = start().await;
    // A second node knows of it from the database alone; where one writes at a time it waits.
    let nodes = match ONE_WRITER {
        true => vec![inbox.clone()],
        false => vec![inbox.clone(), Inbox::new(engine(&db).await)],
    };
    let (entered, open) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let first = tokio::spawn({
        let (inbox, entered, open) = (inbox.clone(), Arc::clone(&entered), Arc::clone(&open));
        async move {
            let handle = async |tx: &mut Tx<'_, Db>| {
                let paid = pay(tx).await;
                entered.notify_one();
                open.notified().await;
                paid
            };
            inbox.process("billing", "m1", handle).await
        }
    });
    entered.notified().await;
    for node in &nodes {
        let told = deliver(node, Message::new("m1").delivery(2)).await;
        assert!(matches!(told, Ok(Processed::InFlight)), "{told:?}");
        assert!(matches!(Settlement::of(&told), Settlement::Retry { .. }));
    }
    open.notify_one();
    assert!(matches!(first.await.unwrap(), Ok(Processed::First(_))));
    for node in &nodes {
        assert!(matches!(
            deliver(node, "m1").await,
            Ok(Processed::Duplicate)
        ));
    }
    assert_eq!(db.payments().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_inbox_handles_one_of_64_concurrent_deliveries() {
    let (db, inbox) = start().await;
    let other = Inbox::new(engine(&db).await);
    let mut deliveries = tokio::task::JoinSet::new();
    for number in 0..64 {
        let node = if number % 2 == 0 {
            inbox.clone()
        } else {
            other.clone()
        };
        deliveries.spawn(async move {
            // A broker asks again until it is acknowledged.
            loop {
                let done = deliver(&node, Message::new("m1").delivery(number + 1)).await;
                match (Settlement::of(&done), done) {
                    (Settlement::Ack, Ok(done)) => return done,
                    (_, Ok(Processed::InFlight) | Err(ProcessError::Store(_))) => a_moment().await,
                    (_, done) => panic!("{done:?}"),
                }
            }
        });
    }
    let done = deliveries.join_all().await;
    let firsts = done
        .iter()
        .filter(|done| matches!(done, Processed::First(_)));
    assert_eq!(firsts.count(), 1);
    assert_eq!(db.payments().await, 1);
}

#[tokio::test]
async fn the_inbox_forgets_a_message_after_its_retention() {
    let (db, inbox) = start().await;
    for _ in 0..2 {
        assert!(matches!(
            deliver(&inbox, "m1").await,
            Ok(Processed::First(_))
        ));
        assert!(matches!(
            deliver(&inbox, "m1").await,
            Ok(Processed::Duplicate)
        ));
        age_records(inbox.idempotency().pool()).await;
    }
    assert_eq!(db.payments().await, 2);
    assert_eq!(inbox.idempotency().sweep().await.unwrap(), 1);
}

#[tokio::test]
async fn the_inbox_parks_a_different_payload_under_a_known_id() {
    let (db, inbox) = start().await;
    let message = |payload: &'static str| Message::new("m1").fingerprint(payload.as_bytes());
    assert!(matches!(
        deliver(&inbox, message("a")).await,
        Ok(Processed::First(_))
    ));
    assert!(matches!(
        deliver(&inbox, message("a")).await,
        Ok(Processed::Duplicate)
    ));
    // Whoever does not compare takes it for the same, before and after.
    assert!(matches!(
        deliver(&inbox, "m1").await,
        Ok(Processed::Duplicate)
    ));
    let reused = deliver(&inbox, message("b").payload("b")).await;
    assert!(
        matches!(reused, Err(ProcessError::Reused { is_parked: true })),
        "{reused:?}"
    );
    assert_eq!(Settlement::of(&reused), Settlement::Ack);
    assert_eq!(db.payments().await, 1);
    // It is not lost.
    let letters = inbox.dead_letters("billing", None, 10).await.unwrap();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].payload.as_deref(), Some(b"b".as_slice()));
}

#[tokio::test]
async fn the_inbox_refuses_a_message_without_an_id_and_a_consumer_without_a_name() {
    let (db, inbox) = start().await;
    for (consumer, id) in [("billing", ""), ("", "m1"), ("a\0b", "m1")] {
        let refused = inbox.process(consumer, id, pay).await;
        assert!(
            matches!(refused, Err(ProcessError::Unknowable(_))),
            "{refused:?}"
        );
        assert!(matches!(Settlement::of(&refused), Settlement::Retry { .. }));
    }
    assert_eq!(db.payments().await, 0);
}

/// Drops `process` in the middle of the handler, as a worker's `select!` does.
pub async fn abandon<'m>(inbox: &Inbox<Db>, message: impl Into<Message<'m>>) {
    let message = message.into();
    let entered = Notify::new();
    loop {
        let handle = async |tx: &mut Tx<'_, Db>| {
            pay(tx).await?;
            entered.notify_one();
            pending::<sqlx::Result<i64>>().await
        };
        tokio::select! {
            // The one before is being rolled back.
            Ok(Processed::InFlight) = inbox.process("billing", message.clone(), handle) => {
                a_moment().await;
            }
            () = entered.notified() => return,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_process_while_a_message_is_handled_commits_nothing() {
    let (db, inbox) = start().await;
    for _ in 0..20 {
        abandon(&inbox, "m1").await;
    }
    // It comes again, and is free as soon as the last attempt is rolled back.
    loop {
        match deliver(&inbox, "m1").await {
            Ok(Processed::First(_)) => break,
            Ok(Processed::InFlight) => a_moment().await,
            done => panic!("{done:?}"),
        }
    }
    assert_eq!(db.payments().await, 1);
    // All connections of the pool are as they were.
    let pool = inbox.idempotency().pool();
    let mut conns = Vec::new();
    for _ in 0..5 {
        conns.push(pool.acquire().await.unwrap());
    }
}

#[tokio::test]
async fn each_message_of_the_inbox_has_its_own_attempt_id() {
    let (_db, inbox) = start().await;
    let mut ids = Vec::new();
    for message in ["m1", "m2"] {
        let id = inbox
            .process("billing", message, async |tx| {
                tx.reference("payment 7").unwrap();
                Ok::<_, sqlx::Error>(tx.attempt_id())
            })
            .await;
        let Ok(Processed::First(id)) = id else {
            panic!("{id:?}")
        };
        ids.push(id);
    }
    assert_ne!(ids[0], ids[1]);
}
