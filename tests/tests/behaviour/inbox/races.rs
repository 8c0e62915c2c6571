//! Dead letters are redriven and discarded while their messages are tried; each is handled once.

use std::sync::Arc;

use idem_axum::Tx;
use idem_axum::engine::{ConsumerPolicy, DeadLetter, Inbox, Message, Processed, Settlement};
use idem_tests::a_moment;
use sqlx::AssertSqlSafe;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::delivery::{Done, deliver, pay};
use super::support::app::engine;
use super::{Db, RECORD, TestDb};

async fn start() -> (TestDb, Inbox<Db>) {
    let db = TestDb::new().await;
    let policy = ConsumerPolicy::default().max_attempts(1);
    let inbox = Inbox::builder(engine(&db).await).consumer("billing", policy);
    (db, inbox.build().unwrap())
}

async fn fail<'m>(inbox: &Inbox<Db>, message: impl Into<Message<'m>>) -> Settlement {
    let handle = async |_: &mut Tx<'_, Db>| Err::<i64, _>("no ledger");
    Settlement::of(&inbox.process("billing", message, handle).await)
}

async fn letter(inbox: &Inbox<Db>, id: &str) -> Option<DeadLetter> {
    inbox.dead_letter("billing", id).await.unwrap()
}

#[tokio::test]
async fn the_inbox_does_not_repeat_a_message_handled_before_its_redrive() {
    let (db, inbox) = start().await;
    assert_eq!(fail(&inbox, "m1").await, Settlement::Ack);
    let parked = letter(&inbox, "m1").await.unwrap();
    // As another worker would leave it.
    let handled = AssertSqlSafe(format!("update {RECORD} set status = 200"));
    let handled = sqlx::raw_sql(handled).execute(inbox.idempotency().pool());
    assert_eq!(handled.await.unwrap().rows_affected(), 1);
    assert!(inbox.redrive(&parked).await.unwrap());
    let told = deliver(&inbox, "m1").await;
    assert!(matches!(told, Ok(Processed::Duplicate)), "{told:?}");
    assert_eq!(db.payments().await, 0);
}

#[tokio::test]
async fn the_inbox_does_not_handle_a_message_discarded_after_its_redrive() {
    let (db, inbox) = start().await;
    assert_eq!(fail(&inbox, "m1").await, Settlement::Ack);
    let parked = letter(&inbox, "m1").await.unwrap();
    assert!(inbox.redrive(&parked).await.unwrap());
    assert!(inbox.discard(&parked).await.unwrap());
    assert!(matches!(deliver(&inbox, "m1").await, Ok(Processed::Parked)));
    assert_eq!(db.payments().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn discarding_a_message_while_it_is_handled_either_fails_or_undoes_it() {
    let (db, inbox) = start().await;
    assert_eq!(fail(&inbox, "m1").await, Settlement::Ack);
    let parked = letter(&inbox, "m1").await.unwrap();
    assert!(inbox.redrive(&parked).await.unwrap());
    let (entered, open) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let attempt = tokio::spawn({
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
    let discarding = tokio::spawn(async move { inbox.discard(&parked).await });
    open.notify_one();
    let (done, discarded): (Done, _) = (attempt.await.unwrap(), discarding.await.unwrap());
    match (done, discarded.unwrap()) {
        (Ok(Processed::First(_)), false) => assert_eq!(db.payments().await, 1),
        (Ok(Processed::Parked), true) => assert_eq!(db.payments().await, 0),
        other => panic!("{other:?}"),
    }
}

/// Workers fail some attempts and handle others, while an operator redrives every dead letter.
#[tokio::test(flavor = "multi_thread")]
async fn the_inbox_handles_once_each_message_redriven_while_it_is_tried() {
    const MESSAGES: usize = 12;
    let (db, inbox) = start().await;
    let mut workers = JoinSet::new();
    for number in 0..3_usize {
        let inbox = inbox.clone();
        workers.spawn(async move {
            let mut firsts = 0;
            for round in 0..4 * MESSAGES {
                let id = format!("m{}", (round + number * 5) % MESSAGES);
                let message = Message::new(&id).delivery(1 + round as u64 % 3);
                if (round + number) % 3 == 0 {
                    fail(&inbox, message).await;
                } else if let Ok(Processed::First(_)) = deliver(&inbox, message).await {
                    firsts += 1;
                }
                for letter in inbox.dead_letters("billing", None, 20).await.unwrap() {
                    if letter.redriven_at.is_none() || round % 7 == 0 {
                        drop(inbox.redrive(&letter).await);
                    }
                }
            }
            firsts
        });
    }
    let mut firsts: i64 = workers.join_all().await.into_iter().sum();
    // What is left is handed back until everything is handled.
    for number in 0..MESSAGES {
        let id = format!("m{number}");
        loop {
            match deliver(&inbox, &id).await {
                Ok(Processed::First(_)) => firsts += 1,
                Ok(Processed::Duplicate) => break,
                Ok(Processed::Parked) => {
                    let parked = letter(&inbox, &id).await;
                    assert!(inbox.redrive(&parked.expect("its letter")).await.unwrap());
                }
                Ok(Processed::InFlight) | Err(_) => a_moment().await,
            }
        }
    }
    let messages = i64::try_from(MESSAGES).unwrap();
    assert_eq!((firsts, db.payments().await), (messages, messages));
}
