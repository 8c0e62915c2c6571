//! Batches in every MySQL isolation level: no waiting for neighbours, no uncommitted records.

use std::time::Duration;

use idem_axum::Idempotency;
use idem_axum::engine::{Inbox, Message, MessageOutcome};
use idem_tests::proxy::{Action, Proxy};
use tokio::time::timeout;

use super::inbox::delivery::{pay, start};
use super::isolation_levels::{LEVELS, pool};
use super::support::app::engine;
use super::{COMMIT, Db, TestDb, pool_at};

async fn node(db: &TestDb, level: &str) -> Inbox<Db> {
    Inbox::new(Idempotency::new(pool(db, level).await))
}

async fn handle(inbox: &Inbox<Db>, ids: &[&'static str]) -> Vec<MessageOutcome> {
    let messages = ids.iter().map(|id| Message::new(*id));
    let mut batch = inbox.process_batch("billing", messages).unwrap();
    while let Some(mut message) = batch.next().await.unwrap() {
        pay(&mut message.tx()).await.unwrap();
        message.done();
    }
    batch.finish().await.unwrap()
}

#[tokio::test]
async fn a_batch_does_not_wait_for_neighbouring_ids_of_a_running_batch() {
    for level in LEVELS {
        let (db, _) = start().await;
        let [one, other] = [node(&db, level).await, node(&db, level).await];
        let mut running = one
            .process_batch("billing", ["b", "m"].map(Message::new))
            .unwrap();
        running.next().await.unwrap().unwrap().done();
        let all = handle(&other, &["a", "c", "l", "n", "z"]);
        let all = timeout(Duration::from_secs(20), all).await.unwrap();
        assert_eq!(all, [MessageOutcome::First; 5], "{level}");
        running.next().await.unwrap().unwrap().done();
        assert_eq!(running.finish().await.unwrap(), [MessageOutcome::First; 2]);
        assert_eq!(db.payments().await, 5);
    }
}

#[tokio::test]
async fn a_message_is_never_a_duplicate_of_one_that_does_not_commit() {
    for level in LEVELS {
        let db = TestDb::new().await;
        engine(&db).await;
        let proxy = Proxy::to(&db.url()).await;
        let one = Inbox::new(Idempotency::new(pool_at(proxy.url(), 2).await));
        let other = node(&db, level).await;
        let commit = proxy.on(COMMIT, Action::Hold);
        let lost = tokio::spawn(async move { handle(&one, &["m1", "m2"]).await });
        commit.reached().await;
        assert_eq!(
            handle(&other, &["m1", "m2"]).await,
            [MessageOutcome::InFlight; 2]
        );
        proxy.go_down();
        assert_eq!(db.payments().await, 0);
        drop(lost);
        loop {
            let all = handle(&other, &["m1", "m2"]).await;
            if all == [MessageOutcome::First; 2] {
                break;
            }
            assert_eq!(all, [MessageOutcome::InFlight; 2], "{level}");
        }
        assert_eq!(db.payments().await, 2);
    }
}
