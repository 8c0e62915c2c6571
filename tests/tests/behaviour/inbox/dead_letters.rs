//! Messages that fail too often are parked, listed and redriven.

use std::time::Duration;

use idem_axum::Scope;
use idem_axum::engine::{
    ConsumerPolicy, Failure, Inbox, Message, ProcessError, Processed, Settlement,
};
use idem_tests::a_moment;
use sqlx::{AssertSqlSafe, Pool};
use tokio::time::timeout;

use super::delivery::{Done, abandon, deliver, pay, start};
use super::support::app::engine;
use super::{COMMITS, Db, LETTER, TestDb, age_records};

pub async fn start_with(policy: ConsumerPolicy) -> (TestDb, Inbox<Db>) {
    let db = TestDb::new().await;
    let inbox = Inbox::builder(engine(&db).await);
    let inbox = inbox.consumer("billing", policy).build().unwrap();
    (db, inbox)
}

async fn start_with_three_attempts() -> (TestDb, Inbox<Db>) {
    start_with(ConsumerPolicy::default().max_attempts(3)).await
}

pub async fn fail<'m>(inbox: &Inbox<Db>, message: impl Into<Message<'m>>) -> (u32, bool) {
    let failed = inbox
        .process("billing", message, async |tx| {
            pay(tx).await.map_err(|error| error.to_string())?;
            Err::<i64, _>("no \0 ledger".to_owned())
        })
        .await;
    match failed {
        Err(ProcessError::Failed {
            attempts,
            is_parked,
            ..
        }) => (attempts, is_parked),
        done => panic!("{done:?}"),
    }
}

#[tokio::test]
async fn the_inbox_parks_a_message_after_the_last_attempt() {
    let (db, inbox) = start_with_three_attempts().await;
    let message = || {
        Message::new("m1")
            .scope(Scope::new("acme").unwrap())
            .payload("the payload")
            .reference("PAYMENTS:42")
    };
    assert_eq!(fail(&inbox, message()).await, (1, false));
    assert_eq!(fail(&inbox, message()).await, (2, false));
    assert_eq!(letters(&inbox).await, Vec::<String>::new());
    assert_eq!(fail(&inbox, message()).await, (3, true));
    // Its acknowledgement may be lost.
    let again = deliver(&inbox, message()).await;
    assert!(matches!(again, Ok(Processed::Parked)), "{again:?}");
    assert_eq!(Settlement::of(&again), Settlement::Ack);
    assert_eq!(db.payments().await, 0);

    let found = inbox.dead_letters("billing", None, 10).await.unwrap();
    let [letter] = found.as_slice() else {
        panic!("{found:?}")
    };
    assert_eq!((letter.message_id.as_str(), letter.attempts), ("m1", 3));
    assert_eq!(letter.scope().as_str(), "acme");
    assert_eq!(letter.error.as_deref(), Some("no \u{fffd} ledger"));
    assert_eq!(letter.reference.as_deref(), Some("PAYMENTS:42"));
    assert_eq!(letter.payload.as_deref(), Some(b"the payload".as_slice()));
    assert_eq!(letter.redriven_at, None);
    assert!(inbox.dead_letter("billing", "m2").await.unwrap().is_none());
    let by_id = inbox.dead_letter("billing", "m1").await.unwrap().unwrap();
    assert_eq!(by_id.parked_at, letter.parked_at);
    assert_eq!(
        inbox
            .dead_letters("receipts", None, 10)
            .await
            .unwrap()
            .len(),
        0
    );
}

#[tokio::test]
async fn the_inbox_handles_a_redriven_message_once() {
    let (db, inbox) = start_with_three_attempts().await;
    for attempts in 1..=3 {
        assert_eq!(fail(&inbox, "m1").await, (attempts, attempts == 3));
    }
    let letter = inbox.dead_letter("billing", "m1").await.unwrap().unwrap();
    // Twice, as an operator does who is not sure.
    assert!(inbox.redrive(&letter).await.unwrap());
    assert!(inbox.redrive(&letter).await.unwrap());
    let letter = inbox.dead_letter("billing", "m1").await.unwrap().unwrap();
    assert!(letter.redriven_at.is_some());
    let handled = deliver(&inbox, "m1").await;
    assert!(matches!(handled, Ok(Processed::First(_))), "{handled:?}");
    assert!(matches!(
        deliver(&inbox, "m1").await,
        Ok(Processed::Duplicate)
    ));
    assert_eq!(db.payments().await, 1);
    // Handled, it is no dead letter any more, and cannot be handed back again.
    assert_eq!(letters(&inbox).await, Vec::<String>::new());
    assert!(!inbox.redrive(&letter).await.unwrap());
    assert!(matches!(
        deliver(&inbox, "m1").await,
        Ok(Processed::Duplicate)
    ));
}

#[tokio::test]
async fn the_inbox_restarts_the_attempt_count_of_a_redriven_message() {
    let (_db, inbox) = start_with_three_attempts().await;
    for round in 0..2 {
        for attempts in 1..=3 {
            assert_eq!(
                fail(&inbox, "m1").await,
                (attempts, attempts == 3),
                "{round}"
            );
        }
        let letter = inbox.dead_letter("billing", "m1").await.unwrap().unwrap();
        assert_eq!((letter.attempts, letter.redriven_at), (3, None));
        assert!(inbox.redrive(&letter).await.unwrap());
    }
}

#[tokio::test]
async fn the_inbox_deletes_a_discarded_dead_letter_and_never_handles_its_message() {
    let (db, inbox) = start_with(ConsumerPolicy::default().max_attempts(0)).await;
    assert_eq!(fail(&inbox, "m1").await, (1, true));
    let letter = inbox.dead_letter("billing", "m1").await.unwrap().unwrap();
    assert!(inbox.discard(&letter).await.unwrap());
    assert!(!inbox.discard(&letter).await.unwrap());
    assert_eq!(letters(&inbox).await, Vec::<String>::new());
    assert!(matches!(deliver(&inbox, "m1").await, Ok(Processed::Parked)));
    assert_eq!(db.payments().await, 0);
}

#[tokio::test]
async fn the_inbox_parks_a_message_that_crashes_its_workers() {
    let (db, inbox) = start_with_three_attempts().await;
    // The worker that is dropped here stands for one that crashes: nobody counts for it.
    for delivery in 1..=4 {
        let message = Message::new("m1").payload("p").delivery(delivery);
        abandon(&inbox, message).await;
        free(&inbox).await;
    }
    let parked = deliver(&inbox, Message::new("m1").payload("p").delivery(5)).await;
    assert!(
        matches!(
            parked,
            Err(ProcessError::Failed {
                failure: Failure::Crashed,
                is_parked: true,
                ..
            })
        ),
        "{parked:?}"
    );
    assert_eq!(db.payments().await, 0);
    let letter = inbox.dead_letter("billing", "m1").await.unwrap().unwrap();
    assert_eq!(letter.payload.as_deref(), Some(b"p".as_slice()));
    assert_eq!(letter.error, None);
}

#[tokio::test]
async fn the_inbox_keeps_the_last_error_of_a_message_that_then_crashes_its_workers() {
    let (_db, inbox) = start_with(ConsumerPolicy::default().max_attempts(2)).await;
    assert_eq!(fail(&inbox, "m1").await, (1, false));
    abandon(&inbox, Message::new("m1").delivery(2)).await;
    free(&inbox).await;
    let parked = deliver(&inbox, Message::new("m1").delivery(3)).await;
    assert_eq!(Settlement::of(&parked), Settlement::Ack);
    let letter = inbox.dead_letter("billing", "m1").await.unwrap().unwrap();
    assert_eq!(letter.error.as_deref(), Some("no \u{fffd} ledger"));
}

/// Waits until the abandoned attempt is rolled back.
async fn free(inbox: &Inbox<Db>) {
    while inbox.idempotency().running() > 0 {
        a_moment().await;
    }
}

#[tokio::test]
async fn the_inbox_counts_a_redelivered_message_once() {
    let (db, inbox) = start_with_three_attempts().await;
    for attempts in 1..=3 {
        let message = Message::new("m1").delivery(attempts.into());
        assert_eq!(fail(&inbox, message).await, (attempts, attempts == 3));
    }
    assert_eq!(db.payments().await, 0);
}

#[tokio::test]
async fn the_inbox_stops_a_handler_that_takes_too_long() {
    let policy = ConsumerPolicy::default().timeout(Duration::from_secs(3));
    let (db, inbox) = start_with(policy).await;
    let never = inbox.process("billing", "m1", async |tx| {
        pay(tx).await?;
        std::future::pending().await
    });
    let failed: Done = timeout(Duration::from_secs(30), never).await.unwrap();
    assert!(
        matches!(
            failed,
            Err(ProcessError::Failed {
                failure: Failure::TimedOut,
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

#[tokio::test]
async fn the_inbox_parks_a_message_whose_handler_ended_the_transaction() {
    let (_db, inbox) = start().await;
    let failed: Done = inbox
        .process("billing", "m1", async |tx| {
            let paid = pay(tx).await;
            // SQLite refuses it, the others do it.
            let _refused = sqlx::raw_sql(COMMITS).execute(&mut **tx).await;
            paid
        })
        .await;
    assert!(
        matches!(
            failed,
            Err(ProcessError::Failed {
                failure: Failure::NotCommitted(_),
                is_parked: true,
                ..
            })
        ),
        "{failed:?}"
    );
    // What of it survived is unknown, so it never runs again by itself.
    assert!(matches!(deliver(&inbox, "m1").await, Ok(Processed::Parked)));
    assert_eq!(letters(&inbox).await, ["m1"]);
}

#[tokio::test]
async fn the_inbox_keeps_dead_letters_and_sweeps_expired_attempt_counts() {
    let (_db, inbox) = start_with(ConsumerPolicy::default().max_attempts(2)).await;
    assert_eq!(fail(&inbox, "counted").await, (1, false));
    for _ in 0..2 {
        fail(&inbox, "parked").await;
    }
    let pool = inbox.idempotency().pool();
    let counted =
        sqlx::query_scalar::<_, i64>(AssertSqlSafe(format!("select count(*) from {LETTER}")));
    assert_eq!(counted.fetch_one(pool).await.unwrap(), 2);
    age_records(pool).await;
    forget_counts(pool).await;
    // Not swept yet, a count that has expired begins anew.
    assert_eq!(fail(&inbox, "counted").await, (1, false));
    forget_counts(pool).await;
    inbox.idempotency().sweep().await.unwrap();
    let counted =
        sqlx::query_scalar::<_, i64>(AssertSqlSafe(format!("select count(*) from {LETTER}")));
    assert_eq!(counted.fetch_one(pool).await.unwrap(), 1);
    assert_eq!(letters(&inbox).await, ["parked"]);
    // A count that was forgotten begins anew.
    assert_eq!(fail(&inbox, "counted").await, (1, false));
}

/// Lets the attempt counts expire like the record of the parked message.
async fn forget_counts(pool: &Pool<Db>) {
    let forget = format!(
        "update {LETTER} set expires_at = (select min(expires_at) from {})",
        super::RECORD
    );
    let forget = sqlx::raw_sql(AssertSqlSafe(forget)).execute(pool).await;
    forget.unwrap();
}

#[tokio::test]
async fn the_inbox_erases_the_dead_letters_of_a_scope() {
    let (_db, inbox) = start_with(ConsumerPolicy::default().max_attempts(1)).await;
    let acme = Scope::new("acme").unwrap();
    fail(
        &inbox,
        Message::new("m1").scope(acme.clone()).payload("personal"),
    )
    .await;
    fail(&inbox, Message::new("m2")).await;
    inbox.idempotency().erase(&acme, "test").await.unwrap();
    assert_eq!(letters(&inbox).await, ["m2"]);
}

#[tokio::test]
async fn the_inbox_lists_dead_letters_in_pages() {
    let (_db, inbox) = start_with(ConsumerPolicy::default().max_attempts(1)).await;
    for message in ["m1", "m2", "m3"] {
        fail(&inbox, message).await;
    }
    let mut listed = Vec::new();
    let mut last = None;
    loop {
        let page = inbox
            .dead_letters("billing", last.as_ref(), 2)
            .await
            .unwrap();
        let Some(end) = page.last() else { break };
        last = Some(end.clone());
        listed.extend(page.into_iter().map(|letter| letter.message_id));
    }
    assert_eq!(listed, ["m1", "m2", "m3"]);
}

async fn letters(inbox: &Inbox<Db>) -> Vec<String> {
    let letters = inbox.dead_letters("billing", None, 100).await.unwrap();
    letters
        .into_iter()
        .map(|letter| letter.message_id)
        .collect()
}
