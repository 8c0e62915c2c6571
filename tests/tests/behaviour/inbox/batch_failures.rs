//! A message that fails does not fail the others of its batch.

use idem_axum::engine::{ConsumerPolicy, Inbox, Message, MessageOutcome, Processed};
use idem_tests::a_moment;

use super::batches::{handle, messages, process};
use super::delivery::{abandon, deliver, pay, start};
use super::support::app::engine;
use super::{ONE_WRITER, TestDb};

const FAILED_ONCE: MessageOutcome = MessageOutcome::Failed {
    attempts: 1,
    is_parked: false,
};

#[tokio::test]
async fn a_failed_message_fails_no_other_in_its_batch() {
    let (db, inbox) = start().await;
    let ids = ["m1", "fails", "m2", "fails"];
    let outcomes = process(&inbox, &ids).await;
    use MessageOutcome::{First, InFlight};
    // The copy of a message that has failed is its next attempt.
    assert_eq!(outcomes, [First, FAILED_ONCE, First, InFlight]);
    assert_eq!(db.payments().await, 2);
    assert!(matches!(
        deliver(&inbox, "fails").await,
        Ok(Processed::First(_))
    ));
}

#[tokio::test]
async fn a_message_that_breaks_the_transaction_fails_no_other_in_its_batch() {
    let (db, inbox) = start().await;
    for ids in [
        ["m1", "m2", "spoils", "m3"],
        ["m4", "m5", "m6", "spoils the end"],
    ] {
        let outcomes = process(&inbox, &ids).await;
        for (id, outcome) in ids.iter().zip(outcomes) {
            match *id {
                "spoils" | "spoils the end" => {
                    assert!(
                        matches!(outcome, MessageOutcome::Failed { .. }),
                        "{outcome:?}"
                    );
                }
                _ => assert_eq!(outcome, MessageOutcome::First, "{id}"),
            }
        }
    }
    assert_eq!(db.payments().await, 6);
}

#[tokio::test]
async fn a_handler_that_commits_parks_every_message_it_may_have_committed() {
    let (db, inbox) = start().await;
    let ids = ["m1", "commits", "m2"];
    let outcomes = process(&inbox, &ids).await;
    let parked = |outcome: &MessageOutcome| {
        matches!(
            outcome,
            MessageOutcome::Failed {
                is_parked: true,
                ..
            }
        )
    };
    // Whether its effect is there nobody knows, so it never runs again by itself.
    assert!(parked(&outcomes[1]), "{outcomes:?}");
    // Nor of the one before, except where no handler can commit.
    match ONE_WRITER {
        true => assert_eq!(
            (outcomes[0], db.payments().await),
            (MessageOutcome::First, 2)
        ),
        false => assert!(parked(&outcomes[0]), "{outcomes:?}"),
    }
    assert_eq!(outcomes[2], MessageOutcome::First);
    assert_eq!(
        process(&inbox, &["commits", "m2"]).await,
        [MessageOutcome::Parked, MessageOutcome::Duplicate]
    );
    let letters = inbox.dead_letters("billing", None, 10).await.unwrap();
    assert_eq!(letters.len(), if ONE_WRITER { 1 } else { 2 });
}

#[tokio::test]
async fn a_batch_message_that_is_not_marked_done_has_failed() {
    let (db, inbox) = start().await;
    for (delivery, ids) in [(1, ["m1", "left", "m2"]), (2, ["m3", "left alone", "m4"])] {
        let messages = ids.map(|id| Message::new(id).delivery(delivery));
        let mut batch = inbox.process_batch("billing", messages).unwrap();
        while let Some(mut message) = batch.next().await.unwrap() {
            pay(&mut message.tx()).await.unwrap();
            if message.index() == 1 {
                continue;
            }
            message.done();
        }
        let outcomes = batch.finish().await.unwrap();
        assert_eq!(
            outcomes,
            [MessageOutcome::First, FAILED_ONCE, MessageOutcome::First]
        );
    }
    // The last one of a batch, too.
    let mut batch = inbox
        .process_batch("billing", messages(&["m5", "last"]))
        .unwrap();
    batch.next().await.unwrap().unwrap().done();
    let mut last = batch.next().await.unwrap().unwrap();
    pay(&mut last.tx()).await.unwrap();
    drop(last);
    assert_eq!(
        batch.finish().await.unwrap(),
        [MessageOutcome::First, FAILED_ONCE]
    );
    assert_eq!(db.payments().await, 4);
}

#[tokio::test]
async fn a_batch_parks_a_message_that_fails_too_often_or_reuses_a_known_id() {
    let db = TestDb::new().await;
    let inbox = Inbox::builder(engine(&db).await);
    let policy = ConsumerPolicy::default().max_attempts(2);
    let inbox = inbox.consumer("billing", policy).build().unwrap();
    assert_eq!(process(&inbox, &["fails", "m1"]).await[0], FAILED_ONCE);
    let parked = MessageOutcome::Failed {
        attempts: 2,
        is_parked: true,
    };
    assert_eq!(process(&inbox, &["fails", "m2"]).await[0], parked);
    assert_eq!(
        process(&inbox, &["fails", "m3"]).await[0],
        MessageOutcome::Parked
    );

    let known = Message::new("known").fingerprint(b"a");
    inbox.process("billing", known, pay).await.unwrap();
    let other = || Message::new("known").fingerprint(b"b").payload("b");
    for company in [Message::new("m4"), Message::new("m3")] {
        let batch = inbox.process_batch("billing", [other(), company]).unwrap();
        let (outcomes, _) = handle(batch, &["known", "-"]).await;
        assert_eq!(outcomes[0], MessageOutcome::Reused { is_parked: true });
    }
    let letters = inbox.dead_letters("billing", None, 10).await.unwrap();
    let ids: Vec<_> = letters
        .iter()
        .map(|letter| letter.message_id.as_str())
        .collect();
    assert_eq!(ids, ["fails", "known"]);
    // Re-driven and handled, it is no dead letter any more.
    assert!(inbox.redrive(&letters[0]).await.unwrap());
    let batch = inbox
        .process_batch("billing", messages(&["fails", "m5"]))
        .unwrap();
    assert_eq!(
        handle(batch, &["-", "-"]).await.0,
        [MessageOutcome::First; 2]
    );
    assert_eq!(
        inbox.dead_letters("billing", None, 10).await.unwrap().len(),
        1
    );
}

#[tokio::test]
async fn redelivered_messages_of_a_batch_run_alone_and_are_counted_first() {
    let db = TestDb::new().await;
    let inbox = Inbox::builder(engine(&db).await);
    let policy = ConsumerPolicy::default().max_attempts(2);
    let inbox = inbox.consumer("billing", policy).build().unwrap();
    // Twice its worker has ended in the middle of it.
    for _ in 0..2 {
        abandon(&inbox, Message::new("crashes").delivery(2)).await;
        while inbox.idempotency().running() > 0 {
            a_moment().await;
        }
    }
    let polled = || {
        let ids = ["crashes", "m1", "m2"].into_iter();
        ids.map(|id| Message::new(id).delivery(3))
    };
    let batch = inbox.process_batch("billing", polled()).unwrap();
    let (outcomes, handed) = handle(batch, &["-"; 3]).await;
    assert_eq!(handed, [1, 2]);
    assert!(
        matches!(
            outcomes[0],
            MessageOutcome::Failed {
                is_parked: true,
                ..
            }
        ),
        "{outcomes:?}"
    );
    assert_eq!(outcomes[1..], [MessageOutcome::First; 2]);
    assert_eq!(db.payments().await, 2);
}

#[tokio::test]
async fn an_open_savepoint_affects_no_other_message_of_its_batch() {
    let (db, inbox) = start().await;
    let ids = ["leaves a savepoint", "fails", "m1"];
    use MessageOutcome::First;
    assert_eq!(process(&inbox, &ids).await, [First, FAILED_ONCE, First]);
    let batch = inbox.process_batch("receipts", messages(&["m1", "last"]));
    let (outcomes, _) = handle(batch.unwrap(), &["-", "leaves a savepoint"]).await;
    assert_eq!(outcomes, [First, First]);
    assert_eq!(db.payments().await, 4);
}
