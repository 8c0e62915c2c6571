//! Lets the message of a dead letter be handled again, or says that it needs no handling.

use axum::extract::State;
use axum::response::Redirect;
use idem_axum::DeadLetter;
use maud::{Markup, html};

use crate::app::AppState;
use crate::broker::Publisher;
use crate::consumer::Consumer;
use crate::operate::dead_letter::Name;
use crate::operate::failure::Failure;
use crate::operate::frame;
use crate::operate::input::{Consent, InForm, InQuery};
use crate::operate::operator::Operator;
use crate::operate::said::Said;
use crate::operate::text::address;
use crate::webhooks;

/// Who publishes a redriven message again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Source {
    /// This process, into the table that is the worker's broker.
    Here,
    /// The worker, whose broker this process does not know.
    Worker,
    /// The card network, which repeats its events.
    CardNetwork,
    /// Another service, which shares the table of dead letters.
    Elsewhere,
}

impl Source {
    fn of(app: &AppState, letter: &DeadLetter) -> Self {
        let consumer = letter.consumer();
        let is_workers = Consumer::ALL.iter().any(|known| known.name() == consumer);
        match (is_workers, app.is_broker_embedded) {
            (true, true) => Self::Here,
            (true, false) => Self::Worker,
            (false, _) if consumer == webhooks::CONSUMER => Self::CardNetwork,
            (false, _) => Self::Elsewhere,
        }
    }
}

pub(super) fn sections(app: &AppState, letter: &DeadLetter, name: &Name) -> Markup {
    html! {
        section aria-labelledby="redrive" {
            h2 #redrive { "Redrive" }
            p { "The message is handled again, once its cause is fixed, and its attempts are counted from zero. It stays listed until it is handled." }
            (publication(Source::of(app, letter), letter))
            form.actions method="post" action=(name.address("/operate/dead-letter/redrive", "")) aria-labelledby="redrive" {
                (frame::consent("redrive", "The cause is fixed: the message may be handled."))
                button { "Redrive the message" }
            }
        }
        section aria-labelledby="discard" {
            h2 #discard { "Discard" }
            p { "The dead letter is deleted with its payload. Its message is never handled, and stays suppressed for 14 days." }
            form.actions method="post" action=(name.address("/operate/dead-letter/discard", "")) aria-labelledby="discard" {
                (frame::consent("discard", "The message needs no handling."))
                button { "Discard the dead letter" }
            }
        }
    }
}

fn publication(source: Source, letter: &DeadLetter) -> Markup {
    match source {
        Source::Here => html! { p { "It is published again at once, to this consumer." } },
        Source::Worker => html! {
            p { "This process is not connected to the worker's broker. This command redrives the message and publishes it again, with the worker's own " code { "--broker" } ":" }
            p { code { "worker redrive " (letter.consumer()) " " (argument(&letter.message_id)) } }
        },
        Source::CardNetwork => {
            html! { p { "The card network has the event: let it deliver it again." } }
        }
        Source::Elsewhere => {
            html! { p { "Then its service must publish it again, with the same id." } }
        }
    }
}

/// An id as it can be copied into a shell, which must run nothing of it.
fn argument(id: &str) -> &str {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
    if id.chars().all(is_plain) && !id.starts_with('-') {
        id
    } else {
        "MESSAGE_ID"
    }
}

pub(super) async fn redrive(
    operator: Operator,
    State(app): State<AppState>,
    InQuery(name): InQuery<Name>,
    InForm(consent): InForm<Consent>,
) -> Result<Redirect, Failure> {
    let by = consent.by(&operator)?;
    let Some(letter) = name.find(&app).await? else {
        return Ok(to_list(&name, Said::LetterGone));
    };
    let redriven = app.inbox.redrive(&letter).await;
    let (consumer, scope, number) = (letter.consumer(), letter.scope().as_str(), letter.number());
    let key = letter.record_name().key.digest();
    tracing::warn!(
        target: "idem::audit",
        consumer, scope, key, number, by, ?redriven,
        "redrive of a dead letter requested"
    );
    if !redriven? {
        return Ok(to_list(&name, Said::LetterGone));
    }
    let said = publish_again(&app, &letter).await;
    Ok(match said {
        Said::Published => to_list(&name, said),
        _ => Redirect::to(&name.address("/operate/dead-letter", said.code())),
    })
}

async fn publish_again(app: &AppState, letter: &DeadLetter) -> Said {
    if Source::of(app, letter) != Source::Here {
        return Said::RedrivenElsewhere;
    }
    let Some(payload) = &letter.payload else {
        return Said::NoPayload;
    };
    let mut publisher = app.idem.pool().clone();
    let published = publisher.hand_to(letter.consumer(), &letter.message_id, payload);
    match published.await {
        Ok(()) => Said::Published,
        Err(error) => {
            tracing::warn!(error, "a redriven message was not published");
            Said::NotPublished
        }
    }
}

pub(super) async fn discard(
    operator: Operator,
    State(app): State<AppState>,
    InQuery(name): InQuery<Name>,
    InForm(consent): InForm<Consent>,
) -> Result<Redirect, Failure> {
    let by = consent.by(&operator)?;
    let Some(letter) = name.find(&app).await? else {
        return Ok(to_list(&name, Said::LetterGone));
    };
    let discarded = app.inbox.discard(&letter).await;
    let (consumer, scope, number) = (letter.consumer(), letter.scope().as_str(), letter.number());
    let key = letter.record_name().key.digest();
    tracing::warn!(
        target: "idem::audit",
        consumer, scope, key, number, by, ?discarded,
        "discard of a dead letter requested"
    );
    let said = if discarded? {
        Said::Discarded
    } else {
        Said::LetterGone
    };
    Ok(to_list(&name, said))
}

fn to_list(name: &Name, said: Said) -> Redirect {
    let list = [("consumer", &*name.consumer), ("said", said.code())];
    Redirect::to(&address("/operate/dead-letters", &list))
}
