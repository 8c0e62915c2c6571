//! A message's identity holds on every path through the inbox, and for every character.

use idem_axum::Scope;
use idem_axum::engine::{Inbox, Message, MessageOutcome, Processed};

use super::delivery::{deliver, pay, start};
use super::{Db, RECORD};

pub async fn handle(inbox: &Inbox<Db>, messages: Vec<Message<'_>>) -> Vec<MessageOutcome> {
    let mut batch = inbox.process_batch("billing", messages).unwrap();
    while let Some(mut message) = batch.next().await.unwrap() {
        pay(&mut message.tx()).await.unwrap();
        message.done();
    }
    batch.finish().await.unwrap()
}

#[tokio::test]
async fn a_batch_does_not_mistake_a_different_payload_for_a_duplicate() {
    let (db, inbox) = start().await;
    let of = |payload: &'static str| {
        let message = Message::new("m1").payload(payload);
        message.fingerprint(payload.as_bytes())
    };
    let polled = vec![of("a"), of("b"), Message::new("m2"), of("a")];
    use MessageOutcome::{Duplicate, First, Reused};
    let reused = Reused { is_parked: true };
    assert_eq!(
        handle(&inbox, polled).await,
        [First, reused, First, Duplicate]
    );
    assert_eq!(db.payments().await, 2);
    let letters = inbox.dead_letters("billing", None, 10).await.unwrap();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].payload.as_deref(), Some(b"b".as_slice()));
}

/// Ids that reveal quoting, padding, case folding and escaping.
const ODD: [&str; 16] = [
    "it's",
    "\"quoted\"",
    "back\\slash",
    "back\\'slash",
    "100%",
    "a_b",
    "a b ",
    "a b",
    "A B",
    "é",
    "e\u{301}",
    "🦀",
    "sha256:00",
    "key:1",
    "null",
    "['a', 1]",
];

#[tokio::test]
async fn the_inbox_distinguishes_unusual_ids_and_scopes() {
    let (db, inbox) = start().await;
    let all = || {
        let scopes = ODD.into_iter().map(Some).chain([None]);
        scopes.flat_map(|scope| {
            ODD.map(|id| {
                let message = Message::new(id);
                match scope {
                    Some(scope) => message.scope(Scope::new(scope).unwrap()),
                    None => message,
                }
            })
        })
    };
    let count = ODD.len() * (ODD.len() + 1);
    assert_eq!(
        handle(&inbox, all().collect()).await,
        vec![MessageOutcome::First; count]
    );
    assert_eq!(
        handle(&inbox, all().collect()).await,
        vec![MessageOutcome::Duplicate; count]
    );
    for message in all().take(20) {
        let again = deliver(&inbox, message.delivery(2)).await;
        assert!(matches!(again, Ok(Processed::Duplicate)), "{again:?}");
    }
    assert_eq!(usize::try_from(db.payments().await), Ok(count));
}

#[tokio::test]
async fn a_batch_leaves_records_of_a_newer_format_unhandled() {
    let (db, inbox) = start().await;
    assert_eq!(
        handle(&inbox, vec![Message::new("m1"), Message::new("m2")]).await,
        [MessageOutcome::First; 2]
    );
    let newer = sqlx::AssertSqlSafe(format!("update {RECORD} set format = 99"));
    sqlx::raw_sql(newer)
        .execute(inbox.idempotency().pool())
        .await
        .unwrap();
    for delivery in [1, 2] {
        let ids = ["m1", "m2"].map(|id| Message::new(id).delivery(delivery));
        assert_eq!(
            handle(&inbox, ids.to_vec()).await,
            [MessageOutcome::InFlight; 2],
            "{delivery}"
        );
    }
    assert_eq!(db.payments().await, 2);
}
