//! `dead-letters`: the messages that have failed as often as they may.

use idem_core::{Backend, DeadLetter, Inbox};

use crate::arguments::DeadLetters;
use crate::failure::Failure;
use crate::output::{Output, hint};

mod change;
mod entry;
mod select;

use self::entry::LetterEntry;

pub(crate) async fn run<DB: Backend>(
    inbox: &Inbox<DB>,
    command: &DeadLetters,
    output: Output,
) -> Result<(), Failure> {
    match command {
        DeadLetters::List { consumer, limit } => {
            list(inbox, consumer.as_deref(), *limit, output).await
        }
        DeadLetters::Show {
            consumer,
            letter,
            payload,
        } => {
            let letter = select::one(inbox, consumer, letter.which()).await?;
            Ok(entry::print(&letter, *payload, output)?)
        }
        DeadLetters::Redrive {
            consumer,
            letters,
            payload,
            consent,
        } => {
            let change = change::Change::Redrive {
                with_payload: *payload,
            };
            change::run(inbox, consumer, letters.which(), change, consent, output).await
        }
        DeadLetters::Discard {
            consumer,
            letters,
            retention,
            consent,
        } => {
            let inbox = select::with_retention(inbox, consumer, *retention)?;
            let change = change::Change::Discard;
            change::run(&inbox, consumer, letters.which(), change, consent, output).await
        }
    }
}

async fn list<DB: Backend>(
    inbox: &Inbox<DB>,
    consumer: Option<&str>,
    limit: Option<u64>,
    output: Output,
) -> Result<(), Failure> {
    let consumers = match consumer {
        Some(consumer) => vec![consumer.to_owned()],
        None => {
            let counted = inbox.count_dead_letters().await?.into_iter();
            counted.map(|count| count.consumer).collect()
        }
    };
    let limit = output.limit(limit);
    let (mut shown, mut has_more) = (0, false);
    let mut list = output.list::<LetterEntry>();
    for consumer in &consumers {
        let each = |letter: DeadLetter| {
            has_more = shown == limit;
            if !has_more {
                list.push(&LetterEntry::from(&letter))?;
                shown += 1;
            }
            Ok(!has_more)
        };
        select::each(inbox, consumer, each).await?;
        if has_more {
            break;
        }
    }
    list.finish()?;
    if has_more {
        hint(&format!("there are more than these {limit}: raise --limit"));
    }
    Ok(())
}
