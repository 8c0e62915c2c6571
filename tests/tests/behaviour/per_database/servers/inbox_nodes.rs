//! Two nodes handle the same messages at once. Not on SQLite, which lets only one of them write.

use idem_axum::Tx;
use idem_axum::engine::{ConsumerPolicy, Inbox, Message, MessageOutcome, ProcessError, Processed};
use idem_tests::a_moment;

use sqlx::AssertSqlSafe;

use super::inbox::dead_letters::start_with;
use super::inbox::delivery::{deliver, pay, start};
use super::inbox::identity::handle;
use super::support::app::engine;
use super::{Db, KEY, RECORD};

#[tokio::test]
async fn a_batch_and_a_single_message_on_two_nodes_exclude_each_other() {
    let (db, inbox) = start().await;
    let other = Inbox::new(engine(&db).await);
    let ids = ["m1", "m2"];
    let mut batch = inbox
        .process_batch("billing", ids.map(Message::new))
        .unwrap();
    drop(batch.next().await.unwrap());
    for id in ids {
        for delivery in 1..9 {
            let told = deliver(&other, Message::new(id).delivery(delivery)).await;
            assert!(matches!(told, Ok(Processed::InFlight)), "{told:?}");
        }
    }
    let inner = async |_: &mut Tx<'_, Db>| {
        let polled = vec![Message::new("m1"), Message::new("m2"), Message::new("m3")];
        Ok::<_, sqlx::Error>(handle(&inbox, polled).await)
    };
    drop(batch);
    while inbox.idempotency().running() > 0 {
        a_moment().await;
    }
    let told = other.process("billing", "m2", inner).await;
    let Ok(Processed::First(told)) = told else {
        panic!("{told:?}")
    };
    assert_eq!(
        told,
        [
            MessageOutcome::First,
            MessageOutcome::InFlight,
            MessageOutcome::First
        ]
    );
}

/// Even if the locks fail, the other worker's record prevents this one's.
#[tokio::test]
async fn a_batch_yields_to_a_record_that_was_committed_before_its_own() {
    let (db, inbox) = start().await;
    deliver(&inbox, "other").await.unwrap();
    let polled = ["m1", "m2"].map(Message::new);
    let mut batch = inbox.process_batch("billing", polled).unwrap();
    let mut handled = 0;
    while let Some(mut message) = batch.next().await.unwrap() {
        pay(&mut message.tx()).await.unwrap();
        message.done();
        handled += 1;
        if handled == 2 {
            is_handled_by_another(&inbox, "m1").await;
        }
    }
    let outcomes = batch.finish().await.unwrap();
    assert_eq!(outcomes, [MessageOutcome::Duplicate, MessageOutcome::First]);
    assert_eq!(db.payments().await, 2);
}

#[tokio::test]
async fn the_inbox_does_not_park_a_message_that_another_worker_has_handled() {
    let (_db, inbox) = start_with(ConsumerPolicy::default().max_attempts(1)).await;
    deliver(&inbox, "other").await.unwrap();
    let handle = async |_: &mut Tx<'_, Db>| {
        is_handled_by_another(&inbox, "m1").await;
        Err::<(), _>("no ledger")
    };
    let failed = inbox.process("billing", "m1", handle).await;
    let is_parked = !matches!(
        failed,
        Err(ProcessError::Failed {
            is_parked: false,
            ..
        })
    );
    assert!(!is_parked, "{failed:?}");
    let letter = inbox.dead_letter("billing", "m1").await.unwrap();
    assert!(letter.is_none(), "{letter:?}");
    let again = deliver(&inbox, "m1").await;
    assert!(matches!(again, Ok(Processed::Duplicate)), "{again:?}");
}

/// The loser of that race has proved its transaction before, since it also deletes the count.
#[tokio::test]
async fn a_message_that_failed_before_yields_to_a_worker_that_has_handled_it() {
    let (db, inbox) = start().await;
    deliver(&inbox, "other").await.unwrap();
    let fail = async |_: &mut Tx<'_, Db>| Err::<(), _>("no ledger");
    let failed = inbox.process("billing", "m1", fail).await;
    assert!(failed.is_err(), "{failed:?}");
    let handle = async |tx: &mut Tx<'_, Db>| {
        pay(tx).await?;
        is_handled_by_another(&inbox, "m1").await;
        Ok::<_, sqlx::Error>(())
    };
    let told = inbox.process("billing", "m1", handle).await;
    assert!(matches!(told, Ok(Processed::Duplicate)), "{told:?}");
    assert_eq!(db.payments().await, 1);
    let letter = inbox.dead_letter("billing", "m1").await.unwrap();
    assert!(letter.is_none(), "{letter:?}");
}

/// Gives the message the record of the message `other`.
async fn is_handled_by_another(inbox: &Inbox<Db>, id: &str) {
    let rename = format!("update {RECORD} set {KEY} = '{id}' where {KEY} = 'other'");
    let renamed = sqlx::raw_sql(AssertSqlSafe(rename));
    let renamed = renamed.execute(inbox.idempotency().pool()).await.unwrap();
    assert_eq!(renamed.rows_affected(), 1);
}
