//! The options of `dead-letters`.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::consent::Consent;

#[derive(Debug, Subcommand)]
pub(crate) enum DeadLetters {
    /// Lists dead letters, the oldest of each consumer first.
    List {
        /// The consumer; all consumers if none is given.
        consumer: Option<String>,
        /// The maximum number of dead letters. A table has 100 unless you say more; JSON has all.
        #[arg(long)]
        limit: Option<u64>,
    },
    /// Shows one dead letter.
    Show {
        /// The consumer, as in the list.
        consumer: String,
        #[command(flatten)]
        letter: OneLetter,
        /// Also print the payload.
        #[arg(long, alias = "body")]
        payload: bool,
    },
    /// Lets messages be handled again. Then publish each one again with its id.
    Redrive {
        /// The consumer, as in the list.
        consumer: String,
        #[command(flatten)]
        letters: Letters,
        /// Also print the payload, for a program that publishes it again.
        #[arg(long, alias = "body")]
        payload: bool,
        #[command(flatten)]
        consent: Consent,
    },
    /// Deletes dead letters whose messages need no handling; the messages stay suppressed.
    Discard {
        /// The consumer, as in the list.
        consumer: String,
        #[command(flatten)]
        letters: Letters,
        /// How long a message that comes again is still suppressed, such as `30d`.
        #[arg(long, value_parser = humantime::parse_duration)]
        retention: Option<Duration>,
        #[command(flatten)]
        consent: Consent,
    },
}

/// One dead letter.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub(crate) struct OneLetter {
    /// The id of the message.
    message_id: Option<String>,
    /// The number of the dead letter, as in the list.
    #[arg(long)]
    number: Option<i64>,
}

/// One dead letter, or all of a consumer.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub(crate) struct Letters {
    /// The id of the message.
    message_id: Option<String>,
    /// The number of the dead letter, as in the list.
    #[arg(long)]
    number: Option<i64>,
    /// All dead letters that the consumer has before you are asked, the oldest first.
    #[arg(long)]
    all: bool,
}

/// How a command names dead letters.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Which<'a> {
    Message(&'a str),
    Number(i64),
    All,
}

impl OneLetter {
    pub(crate) fn which(&self) -> Which<'_> {
        which(self.message_id.as_deref(), self.number)
    }
}

impl Letters {
    pub(crate) fn which(&self) -> Which<'_> {
        which(self.message_id.as_deref(), self.number)
    }
}

/// The group of the arguments sees to it that exactly one is given.
fn which(message_id: Option<&str>, number: Option<i64>) -> Which<'_> {
    match (message_id, number) {
        (Some(id), _) => Which::Message(id),
        (None, Some(number)) => Which::Number(number),
        (None, None) => Which::All,
    }
}
