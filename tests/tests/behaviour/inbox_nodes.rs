//! Two nodes with the same messages at once. SQLite lets one of them write at a time.

use idem_axum::core::{Inbox, Message, Outcome, Processed};

use super::Db;
use super::app::engine;
use super::inbox::{deliver, start};
use super::inbox_identity::handle;

#[tokio::test]
async fn a_batch_and_an_attempt_of_two_nodes_know_of_each_other() {
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
    let inner = async |_: &mut idem_axum::Tx<'_, Db>| {
        let polled = vec![Message::new("m1"), Message::new("m2"), Message::new("m3")];
        Ok::<_, sqlx::Error>(handle(&inbox, polled).await)
    };
    drop(batch);
    while inbox.idempotency().running() > 0 {
        tokio::task::yield_now().await;
    }
    let told = other.process("billing", "m2", inner).await;
    let Ok(Processed::First(told)) = told else {
        panic!("{told:?}")
    };
    assert_eq!(told, [Outcome::First, Outcome::InFlight, Outcome::First]);
}
