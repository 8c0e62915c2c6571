//! One dead letter. Its payload is shown only when the operator asks for it.

use axum::extract::State;
use axum::response::Response;
use idem_axum::DeadLetter;
use maud::{Markup, html};
use serde::Deserialize;

use crate::app::AppState;
use crate::operate::dead_letters::{self, NO_ERROR};
use crate::operate::failure::Failure;
use crate::operate::input::InQuery;
use crate::operate::operator::Operator;
use crate::operate::said::{LastChange, Said};
use crate::operate::text::{address, content, lines, utc, visible, visible_or_none};
use crate::operate::{frame, redrive};

/// The name of a dead letter.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Name {
    pub(super) consumer: String,
    number: i64,
}

impl Name {
    pub(super) fn of(letter: &DeadLetter) -> Self {
        Self {
            consumer: letter.consumer().to_owned(),
            number: letter.number(),
        }
    }

    pub(super) fn address(&self, path: &str, said: &str) -> String {
        let number = self.number.to_string();
        address(
            path,
            &[
                ("consumer", &self.consumer),
                ("number", &number),
                ("said", said),
            ],
        )
    }

    pub(super) async fn find(&self, app: &AppState) -> Result<Option<DeadLetter>, Failure> {
        let found = dead_letters::up_to(app, &self.consumer, self.number).await?;
        Ok(found.filter(|letter| letter.number() == self.number))
    }

    async fn found(&self, app: &AppState) -> Result<DeadLetter, Failure> {
        let gone = || {
            Failure::not_found(
                "There is no such dead letter any more: its message was handled, or it was discarded.",
            )
        };
        self.find(app).await?.ok_or_else(gone)
    }
}

pub(super) async fn show(
    _: Operator,
    State(app): State<AppState>,
    InQuery(name): InQuery<Name>,
    InQuery(change): InQuery<LastChange>,
) -> Result<Response, Failure> {
    let letter = name.found(&app).await?;
    Ok(page(&app, &letter, change.said(), false))
}

/// Shows the dead letter with its payload, which the audit log says.
pub(super) async fn show_payload(
    operator: Operator,
    State(app): State<AppState>,
    InQuery(name): InQuery<Name>,
) -> Result<Response, Failure> {
    let letter = name.found(&app).await?;
    let (consumer, scope, number) = (letter.consumer(), letter.scope().as_str(), letter.number());
    let (key, by) = (letter.record_name().key.digest(), operator.name());
    tracing::warn!(target: "idem::audit", consumer, scope, key, number, by, "payload of a dead letter shown");
    Ok(page(&app, &letter, None, true))
}

fn page(app: &AppState, letter: &DeadLetter, said: Option<Said>, with_payload: bool) -> Response {
    let name = Name::of(letter);
    let content = html! {
        (fields(letter))
        section aria-labelledby="error" {
            h2 #error { "Error of the last attempt" }
            @match &letter.error {
                Some(error) => pre.stored { code { (lines(error)) } },
                None => p { (NO_ERROR) },
            }
        }
        section aria-labelledby="payload" {
            h2 #payload { "Payload" }
            @match (&letter.payload, with_payload) {
                (None, _) => p { "It was not kept: it was too long, or the consumer has not given it." },
                (Some(payload), true) => (content("Payload", payload)),
                (Some(payload), false) => form method="post" action=(name.address("/operate/dead-letter/payload", "")) {
                    p { (payload.len()) " bytes, which belong to who has sent the message: the audit log will have your name." }
                    button { "Show the payload" }
                },
            }
        }
        (redrive::sections(app, letter, &name))
    };
    frame::page("Dead letter", "/operate/dead-letters", said, &content)
}

fn fields(letter: &DeadLetter) -> Markup {
    let rows = [
        ("Consumer", visible(letter.consumer())),
        ("Message", visible(&letter.message_id)),
        ("Scope", visible(letter.scope().as_str())),
        ("Attempts", letter.attempts.to_string()),
        ("Parked", utc(letter.parked_at)),
        (
            "Redriven",
            letter.redriven_at.map_or_else(|| "no".to_owned(), utc),
        ),
        ("Reference", visible_or_none(letter.reference.as_deref())),
    ];
    html! {
        table.table {
            caption { "Fields of the dead letter" }
            tbody { @for (name, value) in rows { tr { th scope="row" { (name) } td { (value) } } } }
        }
    }
}
