//! The lists of dead letters, one for each consumer.

use axum::extract::State;
use axum::response::Response;
use idem_axum::{DeadLetter, DeadLetterCount};
use maud::{Markup, html};
use serde::Deserialize;

use crate::app::AppState;
use crate::operate::failure::Failure;
use crate::operate::frame;
use crate::operate::input::InQuery;
use crate::operate::operator::Operator;
use crate::operate::said::LastChange;
use crate::operate::text::{address, utc, visible};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct List {
    consumer: String,
    /// The number of the last dead letter of the page before.
    after: Option<i64>,
}

pub(super) async fn list(
    _: Operator,
    State(app): State<AppState>,
    InQuery(query): InQuery<List>,
    InQuery(change): InQuery<LastChange>,
) -> Result<Response, Failure> {
    let counts = app.inbox.count_dead_letters().await?;
    let letters = match &*query.consumer {
        "" => None,
        consumer => Some(page(&app, consumer, query.after).await?),
    };
    let content = html! {
        p { "A message that has failed as often as its consumer's policy allows is listed here, until it is handled or discarded." }
        (consumers(&counts))
        @if let Some(letters) = &letters { (table(&query.consumer, letters)) }
    };
    Ok(frame::page(
        "Dead letters",
        "/operate/dead-letters",
        change.said(),
        &content,
    ))
}

async fn page(
    app: &AppState,
    consumer: &str,
    after: Option<i64>,
) -> Result<Vec<DeadLetter>, Failure> {
    let before = match after {
        Some(number) => up_to(app, consumer, number).await?,
        None => None,
    };
    // One more than is shown says whether there is a next page.
    Ok(app
        .inbox
        .dead_letters(consumer, before.as_ref(), SHOWN + 1)
        .await?)
}

/// The consumer's dead letter of this number, or the last one before it.
///
/// They are in the order of their numbers, so a list goes on although its last dead letter has gone.
pub(super) async fn up_to(
    app: &AppState,
    consumer: &str,
    number: i64,
) -> Result<Option<DeadLetter>, Failure> {
    let (mut found, mut read) = (None, 0);
    while read < SOUGHT {
        let chunk = app
            .inbox
            .dead_letters(consumer, found.as_ref(), SHOWN)
            .await?;
        if chunk.is_empty() {
            return Ok(found);
        }
        for letter in chunk {
            if letter.number() > number {
                return Ok(found);
            }
            read += 1;
            found = Some(letter);
        }
    }
    Err(Failure::invalid(
        "Too many dead letters come before this one: redrive or discard the oldest first.",
    ))
}

/// How many dead letters are read at a time, each with its payload.
const SHOWN: u32 = 20;
/// How many dead letters are read to find one.
const SOUGHT: usize = 2_000;

fn consumers(counts: &[DeadLetterCount]) -> Markup {
    html! {
        @if counts.is_empty() { p { "There is none." } }
        @else {
            table.table.fold {
                caption { "Dead letters by consumer" }
                thead { tr { th scope="col" { "Consumer" } th.number scope="col" { "Dead letters" } th scope="col" { "Oldest" } } }
                tbody {
                    @for count in counts {
                        tr {
                            th scope="row" { a href=(address("/operate/dead-letters", &[("consumer", &count.consumer)])) { (visible(&count.consumer)) } }
                            td.number data-label="Dead letters" { (count.letters) }
                            td data-label="Oldest" { (utc(count.oldest)) }
                        }
                    }
                }
            }
        }
    }
}

fn table(consumer: &str, letters: &[DeadLetter]) -> Markup {
    let shown = letters.get(..SHOWN as usize).unwrap_or(letters);
    let next = shown.last().filter(|_| shown.len() < letters.len());
    html! {
        @if shown.is_empty() { p { "This list has none." } }
        @else {
            table.table.fold {
                caption { "Dead letters of " (visible(consumer)) ", the oldest first" }
                thead { tr { @for head in ["Message", "Error", "Parked", "Redriven"] { th scope="col" { (head) } } th.number scope="col" { "Attempts" } } }
                tbody { @for letter in shown { (row(letter)) } }
            }
        }
        @if let Some(last) = next {
            @let after = last.number().to_string();
            p { a href=(address("/operate/dead-letters", &[("consumer", consumer), ("after", &after)])) rel="next" { "Next page" } }
        }
    }
}

fn row(letter: &DeadLetter) -> Markup {
    let number = letter.number().to_string();
    let one = address(
        "/operate/dead-letter",
        &[("consumer", letter.consumer()), ("number", &number)],
    );
    html! {
        tr {
            th scope="row" { a href=(one) { code { (visible(&letter.message_id)) } } }
            td data-label="Error" { (letter.error.as_deref().map_or_else(|| NO_ERROR.to_owned(), |error| visible(&shortened(error)))) }
            td data-label="Parked" { (utc(letter.parked_at)) }
            td data-label="Redriven" { (letter.redriven_at.map_or_else(|| "no".to_owned(), utc)) }
            td.number data-label="Attempts" { (letter.attempts) }
        }
    }
}

fn shortened(error: &str) -> String {
    match error.char_indices().nth(160) {
        Some((end, _)) => format!("{}…", error.get(..end).unwrap_or(error)),
        None => error.to_owned(),
    }
}

/// What a dead letter without an error has instead.
pub(super) const NO_ERROR: &str = "each attempt ended with its worker";
