//! A message is parked without its payload where the database refuses the payload.

use idem_axum::engine::{ConsumerPolicy, Message, Processed};

use super::KEEPS_NO_PAYLOAD;
use super::dead_letters::{fail, start_with};
use super::delivery::deliver;

#[tokio::test]
async fn the_inbox_parks_a_message_whose_payload_the_database_refuses() {
    let (db, inbox) = start_with(ConsumerPolicy::default().max_attempts(2)).await;
    let pool = inbox.idempotency().pool();
    sqlx::raw_sql(KEEPS_NO_PAYLOAD).execute(pool).await.unwrap();
    let message = || {
        Message::new("m1")
            .payload("p")
            .reference("PAYMENTS:42 \u{e9}")
    };
    assert_eq!(fail(&inbox, message()).await, (1, false));
    assert_eq!(fail(&inbox, message()).await, (2, true));
    let again = deliver(&inbox, message()).await;
    assert!(matches!(again, Ok(Processed::Parked)), "{again:?}");

    let letter = inbox.dead_letter("billing", "m1").await.unwrap().unwrap();
    assert_eq!((letter.attempts, &letter.payload), (2, &None));
    // What every encoding has of the texts: what was refused may have been one of them.
    assert_eq!(letter.reference.as_deref(), Some("PAYMENTS:42 ?"));
    assert_eq!(letter.error.as_deref(), Some("no ? ledger"));
    assert!(inbox.redrive(&letter).await.unwrap());
    let handled = deliver(&inbox, message()).await;
    assert!(matches!(handled, Ok(Processed::First(_))), "{handled:?}");
    assert_eq!(db.payments().await, 1);
}
