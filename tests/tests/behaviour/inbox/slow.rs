//! A message that takes too long does not fail the others of its batch.

use std::time::Duration;

use idem_axum::Backend;
use idem_axum::engine::{ConsumerPolicy, Inbox, Message, MessageOutcome};
use tokio::time::{Instant, timeout};

use super::delivery::pay;
use super::support::app::engine;
use super::support::paused_time::passes_until;
use super::{Db, ENDLESS, TestDb};

async fn start(timeout: Duration) -> (TestDb, Inbox<Db>) {
    let db = TestDb::new().await;
    let inbox = Inbox::builder(engine(&db).await);
    let policy = ConsumerPolicy::default().timeout(timeout).max_attempts(2);
    let inbox = inbox.consumer("billing", policy).build().unwrap();
    (db, inbox)
}

#[tokio::test]
async fn an_endless_statement_in_a_batch_is_stopped_and_counted_as_a_failure() {
    let (db, inbox) = start(Duration::from_secs(20)).await;
    let (mut round, mut handled) = (0, 0);
    for attempts in 1..=2 {
        let endless = async {
            loop {
                round += 1;
                let others = ["m1", "m2"].map(|id| format!("{id}-{round}"));
                let outcomes = handle(&inbox, [&others[0], "endless", &others[1]]).await;
                let firsts = outcomes.iter().filter(|one| **one == MessageOutcome::First);
                handled += i64::try_from(firsts.count()).unwrap();
                // Where a dropped statement costs its connection, a busy machine stops it too late, and
                // its session still has the locks of the batch.
                if Db::CANCEL_SAFE || outcomes[1] != MessageOutcome::InFlight {
                    return outcomes;
                }
            }
        };
        let outcomes = timeout(Duration::from_secs(120), endless).await.unwrap();
        let is_parked = attempts == 2;
        let failed = MessageOutcome::Failed {
            attempts,
            is_parked,
        };
        assert_eq!(
            outcomes,
            [MessageOutcome::First, failed, MessageOutcome::First]
        );
    }
    assert_eq!(db.payments().await, handled);
}

/// Handles messages, one of which runs a statement that does not end.
async fn handle(inbox: &Inbox<Db>, ids: [&str; 3]) -> Vec<MessageOutcome> {
    let mut batch = inbox
        .process_batch("billing", ids.map(Message::new))
        .unwrap();
    while let Some(mut message) = batch.next().await.unwrap() {
        let index = message.index();
        pay(&mut message.tx()).await.unwrap();
        if ids[index] == "endless" {
            let statement = sqlx::raw_sql(ENDLESS[1]);
            let bounded = async { statement.execute(&mut *message.tx()).await.map(drop) };
            let over = timeout(Duration::from_millis(200), bounded).await;
            message.fail(format!("{over:?}")).await.unwrap();
        } else {
            message.done();
        }
    }
    batch.finish().await.unwrap()
}

#[tokio::test]
async fn a_batch_that_times_out_is_handled_message_by_message() {
    let limit = Duration::from_secs(60);
    let (db, inbox) = start(limit).await;
    let ids = ["m1", "m2", "m3"].map(Message::new);
    let mut batch = inbox.process_batch("billing", ids).unwrap();
    let mut handed = Vec::new();
    while let Some(mut message) = batch.next().await.unwrap() {
        handed.push(message.index());
        pay(&mut message.tx()).await.unwrap();
        if handed == [0, 1] {
            passes_until(Instant::now() + limit).await;
        }
        message.done();
    }
    assert_eq!(handed, [0, 1, 0, 1, 2]);
    assert_eq!(batch.finish().await.unwrap(), [MessageOutcome::First; 3]);
    assert_eq!(db.payments().await, 3);
}
