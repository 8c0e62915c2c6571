//! `dead-letters redrive` and `dead-letters discard`.

use idem_core::{Backend, DeadLetter, Error, Inbox};

use super::{entry, select};
use crate::arguments::{Consent, Which};
use crate::confirm::confirm;
use crate::failure::Failure;
use crate::output::text::{counted, escape};
use crate::output::{Output, hint};

/// What is to become of dead letters.
#[derive(Clone, Copy)]
pub(super) enum Change {
    Redrive { with_payload: bool },
    Discard,
}

impl Change {
    /// What it does to these dead letters, for the question.
    fn effect(self, letters: &str) -> String {
        match self {
            Self::Redrive { .. } => {
                format!("this redrives {letters}: once published again they are handled again")
            }
            Self::Discard => format!("this discards {letters}: their messages stay suppressed"),
        }
    }

    /// What it has done to so many, the last of them being the one that was to be printed.
    fn done(self, letters: u64) -> String {
        let letters = counted(letters, "dead letter");
        match self {
            Self::Redrive { .. } => format!("{letters} redriven and no more"),
            Self::Discard => format!("{letters} discarded and no more"),
        }
    }

    async fn apply<DB: Backend>(
        self,
        inbox: &Inbox<DB>,
        letter: &DeadLetter,
        by: &str,
    ) -> Result<bool, Error> {
        let changed = match self {
            Self::Redrive { .. } => inbox.redrive(letter).await,
            Self::Discard => inbox.discard(letter).await,
        };
        let (consumer, scope) = (letter.consumer(), letter.scope().as_str());
        let (key, number) = (letter.record_name().key.digest(), letter.number());
        match self {
            Self::Redrive { .. } => tracing::warn!(
                target: "idem::audit",
                consumer, scope, key, number, by, redriven = ?changed,
                "redrive of a dead letter requested"
            ),
            Self::Discard => tracing::warn!(
                target: "idem::audit",
                consumer, scope, key, number, by, discarded = ?changed,
                "discard of a dead letter requested"
            ),
        }
        changed
    }
}

pub(super) async fn run<DB: Backend>(
    inbox: &Inbox<DB>,
    consumer: &str,
    which: Which<'_>,
    change: Change,
    consent: &Consent,
    output: Output,
) -> Result<(), Failure> {
    let meant = match which {
        Which::All => Meant::All(count(inbox, consumer).await?),
        which => Meant::One(Box::new(select::one(inbox, consumer, which).await?)),
    };
    let letters = counted(meant.count(), "dead letter");
    let effect = change.effect(&format!("{letters} of {}", escape(consumer)));
    confirm(consent.yes, &effect).await?;
    let changed = meant.change(inbox, change, &consent.by, output).await?;
    if changed == 0 {
        return Err(Failure::No("they have gone meanwhile".to_owned()));
    }
    if matches!(change, Change::Redrive { .. }) {
        hint("publish each of them again with its id: until it is handled it stays listed");
    }
    Ok(())
}

/// The dead letters of a command, as they were when it began.
enum Meant {
    One(Box<DeadLetter>),
    /// That many, and none that is parked later.
    All(Tally),
}

struct Tally {
    consumer: String,
    letters: u64,
    /// The number of the last of them.
    last: i64,
}

async fn count<DB: Backend>(inbox: &Inbox<DB>, consumer: &str) -> Result<Tally, Failure> {
    let (mut letters, mut last) = (0, None);
    select::each(inbox, consumer, |letter| {
        letters += 1;
        last = Some(letter.number());
        Ok(true)
    })
    .await?;
    let none = || Failure::No(format!("{} has no dead letter", escape(consumer)));
    Ok(Tally {
        consumer: consumer.to_owned(),
        letters,
        last: last.ok_or_else(none)?,
    })
}

impl Meant {
    fn count(&self) -> u64 {
        match self {
            Self::One(_) => 1,
            Self::All(tally) => tally.letters,
        }
    }

    /// Changes and prints each; returns how many have changed.
    async fn change<DB: Backend>(
        self,
        inbox: &Inbox<DB>,
        change: Change,
        by: &str,
        output: Output,
    ) -> Result<u64, Failure> {
        let mut changed = 0;
        let tally = match self {
            Self::One(letter) => {
                change_one(inbox, &letter, change, by, output, &mut changed).await?;
                return Ok(changed);
            }
            Self::All(tally) => tally,
        };
        let mut before: Option<DeadLetter> = None;
        loop {
            let page = inbox
                .dead_letters(&tally.consumer, before.as_ref(), 1)
                .await?;
            let letter = page.into_iter().next();
            // What was parked after the question is in no answer to it.
            let Some(letter) = letter.filter(|letter| letter.number() <= tally.last) else {
                return Ok(changed);
            };
            change_one(inbox, &letter, change, by, output, &mut changed).await?;
            before = Some(letter);
        }
    }
}

/// Changes the letter, counts it and prints it. No letter is changed after one that nobody can be told of.
async fn change_one<DB: Backend>(
    inbox: &Inbox<DB>,
    letter: &DeadLetter,
    change: Change,
    by: &str,
    output: Output,
    changed: &mut u64,
) -> Result<(), Failure> {
    if !change.apply(inbox, letter, by).await? {
        return Ok(());
    }
    *changed += 1;
    let with_payload = matches!(change, Change::Redrive { with_payload: true });
    let printed = entry::print(letter, with_payload, output);
    printed.map_err(Failure::after(change.done(*changed)))
}
