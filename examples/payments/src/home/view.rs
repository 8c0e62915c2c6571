//! How the page looks.

use axum::response::Response;
use maud::{Markup, PreEscaped, html};

use crate::app::AppState;
use crate::home::code::{self, Line};
use crate::home::live;
use crate::home::stored::Stored;
use crate::home::story::{Action, Answer, Entry, Kind, Outcome, Story};
use crate::layout::{self, money};
use crate::problem::Problem;

/// How many entries are shown.
const SHOWN: usize = 10;

/// The lines of the handler that are shown.
const HANDLER: [Line; 5] = [
    code::ATTRIBUTE,
    code::HANDLER,
    code::TRANSACTION,
    code::PAYMENT,
    code::EVENT,
];

/// The page, for who may have a process killed or not.
pub(super) async fn page(app: &AppState, may_kill: bool) -> Result<Response, Problem> {
    let story = live::now(app).await?;
    let content = html! {
        h1 { "Press Retry. Nothing is paid twice." }
        p {
            "Each button sends real requests to " code { "POST /payments" } ". Whatever fails, the client, the process or the network: \
             a retry with the same " code { "Idempotency-Key" } " makes no second payment."
        }
        form.actions #try method="post" action="/try" {
            div {
                label for="amount" { "Amount in cents" }
                input #amount name="amount" type="number" min="1" max="99999999" value="1250" required;
            }
            @for action in Action::ALL {
                @if may_kill || action != Action::Crash {
                    button class=[(action == Action::Pay).then_some("first")] name="button" value=(action.value()) { (action.name()) }
                }
            }
        }
        p.hidden #said role="status" {}
        div #story { (PreEscaped(&*story)) }
        section aria-labelledby="how" {
            h2 #how { "The code that does it" }
            ol.source {
                @for line in HANDLER {
                    li { a href=(line.address()) { (line.number()) } code { (line.text()) } }
                }
            }
            p { "The record, the stored response and the handler's own writes commit in one transaction: " a href=(code::CLAIM.address()) { "what happens before the handler" } "." }
        }
    };
    Ok(layout::page(
        "Payments that are safe to retry",
        "/",
        &content,
    ))
}

/// The part that changes: counters, requests, rows and records.
pub(super) async fn story(app: &AppState, story: &Story) -> Result<Markup, Problem> {
    let stored = Stored::of(app, story).await?;
    Ok(html! {
        (counters(story, &stored))
        div.halves data-said=(said(story, &stored)) {
            section aria-labelledby="requests" {
                h2 #requests { "What the client sees" }
                ol.list reversed {
                    @for entry in story.entries.iter().take(SHOWN) { (request(entry)) }
                }
                @if story.entries.is_empty() { p.faint { "No request yet: press Pay." } }
            }
            section aria-labelledby="stored" {
                h2 #stored { "What the database has" }
                ul.list {
                    @for (key, record) in &stored.keys {
                        li {
                            p { span.what { "Key " code { (short(key)) } } }
                            @match stored.payments.get(key).map(Vec::as_slice) {
                                None | Some([]) => p.faint { "no payment" },
                                Some(paid) => @for (id, amount) in paid {
                                    p { "payment " (id) ": " (money(*amount, "EUR")) }
                                },
                            }
                            @match record {
                                None => p.faint { "no record" },
                                Some(record) => p.faint {
                                    "record: status " (record.status) ", " (record.bytes) " bytes, replayed until "
                                    (humantime::format_rfc3339_seconds(record.expires_at))
                                },
                            }
                        }
                    }
                }
                @if stored.keys.is_empty() { p.faint { "Nothing of this page's yet." } }
            }
        }
    })
}

fn counters(story: &Story, stored: &Stored) -> Markup {
    let twice = stored.paid_twice();
    html! {
        dl.counters {
            div { dt { "Requests" } dd #count-requests { (story.requests()) } }
            div { dt { "Payments" } dd #count-payments { (stored.payments()) } }
            div { dt { "Replayed" } dd #count-replayed { (story.answers(Kind::Replayed)) } }
            div { dt { "Refused" } dd #count-refused { (story.answers(Kind::Refused)) } }
            div class=(if twice == 0 { "good" } else { "bad" }) {
                dt { "Paid twice" }
                dd #count-twice { (twice) }
            }
        }
    }
}

fn request(entry: &Entry) -> Markup {
    let order = &entry.order;
    html! {
        li {
            p {
                span.what { (entry.action.name()) } " "
                span.faint {
                    @if entry.requests > 1 { (entry.requests) " × " }
                    "key " code { (short(&order.key)) } ", " (money(order.amount, "EUR"))
                }
            }
            (outcome(&entry.outcome))
        }
    }
}

fn outcome(outcome: &Outcome) -> Markup {
    match outcome {
        Outcome::Waiting => html! { p { span.tag.waits { "running" } } },
        Outcome::Answered(answers) => html! {
            @for (answer, count) in answers { (answered(answer, *count)) }
        },
        Outcome::HungUp => html! {
            p { span.tag.lost { "no answer: hung up" } }
            p.faint { "The handler " a href=(code::HANG_UP.address()) { "goes on without its client" } "." }
        },
        Outcome::Killed(id) => html! {
            p { span.tag.lost { "no answer: kill -9 of process " (id) } }
            p.faint { a href=(code::KILL.address()) { "Killed in the middle" } " of the transaction: nothing was committed." }
        },
        Outcome::Failed(error) => html! { p { span.tag.lost { (error) } } },
    }
}

fn answered(answer: &Answer, count: usize) -> Markup {
    let (class, why) = match (answer.kind, answer.text.as_str()) {
        (Kind::Made, _) => ("made", Some((code::PAYMENT, "The handler ran."))),
        (Kind::Replayed, _) => (
            "same",
            Some((
                code::REPLAY,
                "The stored response: the handler did not run.",
            )),
        ),
        (Kind::Refused, "in-flight") => (
            "refused",
            Some((code::IN_FLIGHT, "Another one with this key runs.")),
        ),
        (Kind::Refused, "key-reused") => (
            "refused",
            Some((code::REUSED, "The key belongs to another request.")),
        ),
        (Kind::Refused, _) => ("refused", None),
    };
    html! {
        p {
            span class={ "tag " (class) } { (sentence(answer, count)) } " "
            @if let Some((line, text)) = why { a.faint href=(line.address()) { (text) } }
        }
    }
}

fn sentence(answer: &Answer, count: usize) -> String {
    let times = if count > 1 {
        format!("{count} × ")
    } else {
        String::new()
    };
    let replayed = if answer.kind == Kind::Replayed {
        " replayed"
    } else {
        ""
    };
    format!("{times}{}{replayed}: {}", answer.status, answer.text)
}

/// What a screen reader says when something has happened.
fn said(story: &Story, stored: &Stored) -> String {
    let Some(entry) = story.entries.front() else {
        return String::new();
    };
    let outcome = match &entry.outcome {
        Outcome::Waiting => return String::new(),
        Outcome::Answered(answers) => {
            let answers = answers
                .iter()
                .map(|(answer, count)| sentence(answer, *count));
            answers.collect::<Vec<_>>().join(", ")
        }
        Outcome::HungUp => "no answer, the client has hung up".to_owned(),
        Outcome::Killed(_) => "no answer, the process was killed".to_owned(),
        Outcome::Failed(error) => error.clone(),
    };
    let paid = stored.payments.get(&*entry.order.key).map_or(0, Vec::len);
    format!(
        "{}: {outcome}. Payments with this key: {paid}.",
        entry.action.name()
    )
}

/// Enough of a key to tell it from others.
fn short(key: &str) -> &str {
    key.get(..8).unwrap_or(key)
}
