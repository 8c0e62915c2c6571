//! Payloads that exceed a packet of MariaDB or MySQL.

use idem_axum::engine::{ConsumerPolicy, Message};

use super::inbox::dead_letters::{fail, start_with};

/// More than `max_allowed_packet`, which is 16 MiB or 64 MiB.
const LARGER: usize = 65 << 20;

#[tokio::test]
async fn the_inbox_parks_a_message_whose_payload_exceeds_a_packet() {
    let (_db, inbox) = start_with(ConsumerPolicy::default().max_attempts(2)).await;
    let payload = vec![b'p'; LARGER];
    let message = || {
        Message::new("m1")
            .payload(&payload)
            .reference("PAYMENTS:42")
    };
    assert_eq!(fail(&inbox, message()).await, (1, false));
    assert_eq!(fail(&inbox, message()).await, (2, true));
    let letter = inbox.dead_letter("billing", "m1").await.unwrap().unwrap();
    assert_eq!(letter.payload, None);
    assert_eq!(letter.reference.as_deref(), Some("PAYMENTS:42"));
}
