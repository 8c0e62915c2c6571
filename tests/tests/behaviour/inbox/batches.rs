//! The messages of a batch are handled together, each once.

use std::time::Duration;

use idem_axum::Idempotency;
use idem_axum::engine::{Batch, Inbox, Message, MessageOutcome, Processed, Settlement};
use idem_tests::a_moment;
use tokio::task::JoinSet;

use super::delivery::{deliver, pay, start};
use super::{COMMITS, Db, FAILS, age_records};

pub fn messages(ids: &[&'static str]) -> Vec<Message<'static>> {
    ids.iter().map(|id| Message::new(*id)).collect()
}

/// Handles the batch, and fails the messages whose id says so.
pub async fn handle(mut batch: Batch<Db>, ids: &[&str]) -> (Vec<MessageOutcome>, Vec<usize>) {
    let mut handed = Vec::new();
    while let Some(mut message) = batch.next().await.unwrap() {
        let index = message.index();
        handed.push(index);
        let paid = pay(&mut message.tx()).await;
        match ids[index] {
            "fails" => message.fail("no ledger").await.unwrap(),
            "spoils" | "spoils the end" => {
                // Looks away from a statement that spoils the transaction.
                let _failed = sqlx::raw_sql(FAILS).execute(&mut *message.tx()).await;
                message.done();
            }
            "leaves a savepoint" => {
                let statement = "savepoint mine";
                let set = sqlx::raw_sql(statement).execute(&mut *message.tx()).await;
                set.unwrap();
                message.done();
            }
            "commits" => {
                let _refused = sqlx::raw_sql(COMMITS).execute(&mut *message.tx()).await;
                message.done();
            }
            _ => {
                paid.unwrap();
                message.done();
            }
        }
    }
    (batch.finish().await.unwrap(), handed)
}

pub async fn process(inbox: &Inbox<Db>, ids: &[&'static str]) -> Vec<MessageOutcome> {
    let batch = inbox.process_batch("billing", messages(ids)).unwrap();
    handle(batch, ids).await.0
}

#[tokio::test]
async fn the_inbox_handles_each_message_of_a_batch_once() {
    let (db, inbox) = start().await;
    deliver(&inbox, "known").await.unwrap();
    let ids = ["m1", "known", "m2", "m1", "known", "m3", ""];
    let batch = inbox.process_batch("billing", messages(&ids)).unwrap();
    let (outcomes, handed) = handle(batch, &ids).await;
    assert_eq!(handed, [0, 2, 5]);
    use MessageOutcome::{Duplicate, First, Unknowable};
    assert_eq!(
        outcomes,
        [
            First, Duplicate, First, Duplicate, Duplicate, First, Unknowable
        ]
    );
    assert!(
        outcomes[..6]
            .iter()
            .all(|one| one.settlement() == Settlement::Ack)
    );
    assert_eq!(db.payments().await, 4);
    assert_eq!(process(&inbox, &["m3", "m2", "m1"]).await, [Duplicate; 3]);
    assert!(matches!(
        deliver(&inbox, "m2").await,
        Ok(Processed::Duplicate)
    ));
    assert_eq!(process(&inbox, &[]).await, []);
    assert_eq!(db.payments().await, 4);
}

#[tokio::test]
async fn a_dropped_batch_commits_nothing() {
    let (db, inbox) = start().await;
    for _ in 0..5 {
        let ids = ["m1", "m2", "m3"];
        let mut batch = inbox.process_batch("billing", messages(&ids)).unwrap();
        for _ in 0..2 {
            let mut message = batch.next().await.unwrap().unwrap();
            pay(&mut message.tx()).await.unwrap();
            message.done();
        }
        drop(batch);
        while inbox.idempotency().running() > 0 {
            a_moment().await;
        }
    }
    assert_eq!(db.payments().await, 0);
    assert_eq!(
        process(&inbox, &["m1", "m2", "m3"]).await,
        [MessageOutcome::First; 3]
    );
    assert_eq!(db.payments().await, 3);
}

#[tokio::test]
async fn a_batch_that_is_finished_early_commits_the_handled_messages() {
    let (db, inbox) = start().await;
    let ids = ["m1", "m2", "m3"];
    let mut batch = inbox.process_batch("billing", messages(&ids)).unwrap();
    for _ in 0..2 {
        let mut message = batch.next().await.unwrap().unwrap();
        pay(&mut message.tx()).await.unwrap();
        message.done();
    }
    use MessageOutcome::{Duplicate, First, InFlight};
    assert_eq!(batch.finish().await.unwrap(), [First, First, InFlight]);
    assert_eq!(db.payments().await, 2);
    assert_eq!(process(&inbox, &ids).await, [Duplicate, Duplicate, First]);
}

#[tokio::test]
async fn a_batch_skips_messages_that_another_worker_handles() {
    let (db, inbox) = start().await;
    let ids = ["m1", "m2"];
    let mut first = inbox.process_batch("billing", messages(&ids)).unwrap();
    let mut message = first.next().await.unwrap().unwrap();
    pay(&mut message.tx()).await.unwrap();
    message.done();
    assert_eq!(
        process(&inbox, &["m1", "m2"]).await,
        [MessageOutcome::InFlight; 2]
    );
    assert!(matches!(
        deliver(&inbox, "m2").await,
        Ok(Processed::InFlight)
    ));
    first.next().await.unwrap().unwrap().done();
    assert_eq!(first.finish().await.unwrap(), [MessageOutcome::First; 2]);
    assert_eq!(db.payments().await, 1);
}

#[tokio::test]
async fn a_batch_may_have_250_messages() {
    let (db, inbox) = start().await;
    let ids: Vec<String> = (0..250).map(|number| format!("m{number}")).collect();
    for expected in [MessageOutcome::First, MessageOutcome::Duplicate] {
        let polled = ids.iter().map(Message::new);
        let mut batch = inbox.process_batch("billing", polled).unwrap();
        while let Some(mut message) = batch.next().await.unwrap() {
            pay(&mut message.tx()).await.unwrap();
            message.done();
        }
        assert_eq!(batch.finish().await.unwrap(), vec![expected; 250]);
    }
    assert_eq!(db.payments().await, 250);
}

#[tokio::test]
async fn a_batch_handles_a_message_again_after_its_retention() {
    let (db, inbox) = start().await;
    for _ in 0..2 {
        assert_eq!(
            process(&inbox, &["m1", "m2"]).await,
            [MessageOutcome::First; 2]
        );
        age_records(inbox.idempotency().pool()).await;
    }
    assert_eq!(db.payments().await, 4);
}

#[tokio::test]
async fn a_batch_handles_expired_messages_beside_live_ones() {
    let (db, inbox) = start().await;
    process(&inbox, &["expired", "expired too"]).await;
    age_records(inbox.idempotency().pool()).await;
    process(&inbox, &["live"]).await;
    let ids = ["live", "expired", "new", "expired too"];
    use MessageOutcome::{Duplicate, First};
    assert_eq!(
        process(&inbox, &ids).await,
        [Duplicate, First, First, First]
    );
    assert_eq!(process(&inbox, &ids).await, [Duplicate; 4]);
    assert_eq!(db.payments().await, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_with_the_same_batches_handle_each_message_once() {
    const MESSAGES: i64 = 200;
    let (db, _) = start().await;
    // Four workers in a hot loop: what a server takes to open a connection beside them is not the matter.
    let patient = async || {
        let idem = Idempotency::builder(db.pool().await).acquire_timeout(Duration::from_secs(60));
        Inbox::new(idem.build())
    };
    let (inbox, other) = (patient().await, patient().await);
    let mut workers = JoinSet::new();
    for (number, inbox) in [inbox.clone(), other.clone(), inbox, other]
        .into_iter()
        .enumerate()
    {
        workers.spawn(async move {
            let ids: Vec<String> = (0..MESSAGES).map(|number| format!("m{number}")).collect();
            let mut left: Vec<&String> = ids.iter().collect();
            let mut firsts = 0;
            while !left.is_empty() {
                // Half of them from the other end.
                left.reverse();
                let size = left.len().min(7 + number);
                let polled = left.split_off(left.len() - size);
                let messages = polled.iter().map(|id| Message::new(*id));
                let mut batch = inbox.process_batch("billing", messages).unwrap();
                while let Some(mut message) = batch.next().await.unwrap() {
                    pay(&mut message.tx()).await.unwrap();
                    message.done();
                }
                for (outcome, id) in batch.finish().await.unwrap().into_iter().zip(polled) {
                    match outcome {
                        MessageOutcome::First => firsts += 1,
                        MessageOutcome::Duplicate => {}
                        MessageOutcome::InFlight => left.insert(0, id),
                        outcome => panic!("{outcome:?}"),
                    }
                }
            }
            firsts
        });
    }
    let firsts: i64 = workers.join_all().await.into_iter().sum();
    assert_eq!((firsts, db.payments().await), (MESSAGES, MESSAGES));
}
