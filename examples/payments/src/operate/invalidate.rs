//! Deletes a record, so that its key runs again.

use axum::extract::State;
use axum::response::Redirect;
use idem_axum::{Invalidated, RecordState, RecordView};
use maud::{Markup, html};

use crate::app::AppState;
use crate::operate::failure::Failure;
use crate::operate::frame;
use crate::operate::input::{Consent, InForm, InQuery};
use crate::operate::operator::Operator;
use crate::operate::record_name::Name;
use crate::operate::said::Said;
use crate::operate::text::address;

pub(super) fn section(view: &RecordView, name: &Name) -> Markup {
    html! {
        section aria-labelledby="invalidate" {
            h2 #invalidate { "Invalidate" }
            p {
                "This deletes the record. The next request with its key runs: a second effect, unless the first was undone. \
                 Other services that remember a key of this operation still answer with their first effect."
            }
            @if view.state == RecordState::Parked {
                p { "The message of this record is among the " a href="/operate/dead-letters" { "dead letters" } ": redrive it there instead." }
            }
            form.actions method="post" action=(name.address("/operate/record/invalidate", "")) aria-labelledby="invalidate" {
                (frame::consent("invalidate", "The next retry with this key may have a second effect."))
                button { "Invalidate the record" }
            }
        }
    }
}

pub(super) async fn invalidate(
    operator: Operator,
    State(app): State<AppState>,
    InQuery(name): InQuery<Name>,
    InForm(consent): InForm<Consent>,
) -> Result<Redirect, Failure> {
    let by = consent.by(&operator)?;
    let said = match name.find(&app).await? {
        None => Said::Absent,
        Some(view) => match app.idem.invalidate(&view.name, &by).await? {
            Invalidated::Gone => Said::Invalidated,
            Invalidated::Absent => Said::Absent,
            Invalidated::InFlight => Said::InFlight,
        },
    };
    Ok(Redirect::to(&match said {
        Said::InFlight => name.address("/operate/record", said.code()),
        _ => address(
            "/operate/records",
            &[
                ("scope", &name.scope),
                ("operation", &name.operation),
                ("said", said.code()),
            ],
        ),
    }))
}
