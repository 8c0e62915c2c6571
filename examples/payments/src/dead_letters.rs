//! The commands for messages that failed too often.

use std::error::Error;
use std::io::{self, Write};

use idem_axum::{DeadLetter, Inbox};

use crate::broker::{Broker, Publisher};
use crate::consumer::Consumer;
use crate::database::Db;

/// Prints a line for each: consumer, message id, attempts, error.
pub(crate) async fn list(inbox: &Inbox<Db>) -> Result<(), Box<dyn Error + Send + Sync>> {
    for consumer in Consumer::ALL {
        let mut last: Option<DeadLetter> = None;
        loop {
            let page = inbox
                .dead_letters(consumer.name(), last.as_ref(), 100)
                .await?;
            for letter in &page {
                let error = letter.error.as_deref().unwrap_or("-").replace('\n', " ");
                let (id, attempts) = (&letter.message_id, letter.attempts);
                let line = format!("{consumer} {id} {attempts} {error}");
                writeln!(io::stdout(), "{}", idem_cli::printable(&line))?;
            }
            last = page.into_iter().next_back();
            if last.is_none() {
                break;
            }
        }
    }
    Ok(())
}

/// Redrives a message, and publishes it to its consumer again.
///
/// The dead letter stays listed until the message is handled, so an interrupted call can be repeated.
pub(crate) async fn redrive<B: Broker>(
    inbox: &Inbox<Db>,
    broker: &B,
    consumer: &str,
    message_id: &str,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let letter = inbox.dead_letter(consumer, message_id).await?;
    let letter = letter.ok_or("there is no such dead letter")?;
    let payload = letter
        .payload
        .as_deref()
        .ok_or("its payload was not kept")?;
    let mut publisher = broker.publisher().await?;
    if !inbox.redrive(&letter).await? {
        return Err("the dead letter has gone meanwhile".into());
    }
    publisher.hand_to(consumer, message_id, payload).await?;
    Ok(())
}
