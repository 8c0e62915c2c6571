//! Which dead letters the options of a command mean.

use std::time::Duration;

use idem_core::{Backend, ConsumerPolicy, DeadLetter, Inbox};

use crate::arguments::Which;
use crate::failure::Failure;
use crate::output::text::escape;

/// Calls a function with each dead letter of the consumer, until it returns `false`.
pub(super) async fn each<DB: Backend>(
    inbox: &Inbox<DB>,
    consumer: &str,
    mut found: impl FnMut(DeadLetter) -> Result<bool, Failure>,
) -> Result<(), Failure> {
    let mut last: Option<DeadLetter> = None;
    loop {
        let page = inbox.dead_letters(consumer, last.as_ref(), PAGE).await?;
        last = page.last().cloned();
        if last.is_none() {
            return Ok(());
        }
        for letter in page {
            if !found(letter)? {
                return Ok(());
            }
        }
    }
}

/// How many dead letters are read at a time, each with its payload.
const PAGE: u32 = 20;

/// The one dead letter that is meant.
pub(super) async fn one<DB: Backend>(
    inbox: &Inbox<DB>,
    consumer: &str,
    which: Which<'_>,
) -> Result<DeadLetter, Failure> {
    let mut found = match which {
        Which::Message(id) => inbox.dead_letters_of(consumer, id).await?,
        Which::Number(number) => of_number(inbox, consumer, number).await?,
        Which::All => Vec::new(),
    };
    match (found.pop(), found.is_empty()) {
        (Some(letter), true) => Ok(letter),
        (Some(last), false) => {
            let numbers = found.iter().chain([&last]).map(|letter| {
                let scope = escape(letter.scope().as_str());
                format!("{} (scope {scope})", letter.number())
            });
            let numbers: Vec<_> = numbers.collect();
            let numbers = numbers.join(", ");
            Err(Failure::No(format!(
                "several dead letters have this message id, name one by --number: {numbers}"
            )))
        }
        (None, _) => Err(Failure::No("there is no such dead letter".to_owned())),
    }
}

async fn of_number<DB: Backend>(
    inbox: &Inbox<DB>,
    consumer: &str,
    number: i64,
) -> Result<Vec<DeadLetter>, Failure> {
    let mut found = Vec::new();
    each(inbox, consumer, |letter| {
        let is_behind = letter.number() >= number;
        found.extend((letter.number() == number).then_some(letter));
        Ok(!is_behind)
    })
    .await?;
    Ok(found)
}

/// The inbox itself, or one whose consumer suppresses a discarded message for this time.
pub(super) fn with_retention<DB: Backend>(
    inbox: &Inbox<DB>,
    consumer: &str,
    retention: Option<Duration>,
) -> Result<Inbox<DB>, Failure> {
    let Some(retention) = retention else {
        return Ok(inbox.clone());
    };
    let policy = ConsumerPolicy::default().retention(retention);
    let with = Inbox::builder(inbox.idempotency().clone()).consumer(consumer, policy);
    with.build().map_err(|error| Failure::usage(&error))
}
