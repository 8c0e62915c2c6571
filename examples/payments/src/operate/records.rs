//! The list of records.

use axum::extract::State;
use axum::response::Response;
use idem_axum::{RecordState, RecordView};
use maud::{Markup, html};
use serde::Deserialize;

use crate::app::AppState;
use crate::operate::failure::Failure;
use crate::operate::frame;
use crate::operate::input::InQuery;
use crate::operate::operator::Operator;
use crate::operate::record_name::Name;
use crate::operate::said::LastChange;
use crate::operate::selection::{Fields, Page, STATES, Selection};
use crate::operate::text::{address, utc, visible, visible_or_none};

/// Where the list begins.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Place {
    after: String,
}

pub(super) async fn list(
    _: Operator,
    State(app): State<AppState>,
    InQuery(fields): InQuery<Fields>,
    InQuery(place): InQuery<Place>,
    InQuery(change): InQuery<LastChange>,
) -> Result<Response, Failure> {
    let selection = Selection::of(&fields)?;
    let after = match &*place.after {
        "" => None,
        after => {
            let found = Name::of_place(after)?.find(&app).await?;
            let gone = || {
                Failure::not_found(
                    "The last record of the page before has gone meanwhile: begin again at the first page.",
                )
            };
            Some(found.ok_or_else(gone)?)
        }
    };
    let page = selection.page(&app, after).await?;
    let content = html! {
        (form(&fields))
        (table(&page))
        (next(&fields, &page))
    };
    Ok(frame::page(
        "Records",
        "/operate/records",
        change.said(),
        &content,
    ))
}

fn form(fields: &Fields) -> Markup {
    html! {
        form.actions method="get" action="/operate/records" aria-label="Filter" {
            div {
                label for="operation" { "Operation" }
                input #operation name="operation" value=(fields.operation);
            }
            div {
                label for="state" { "State" }
                select #state name="state" {
                    option value="" { "any" }
                    @for state in STATES { option selected[state == fields.state] { (state) } }
                }
            }
            div {
                label for="scope" { "Scope" }
                input #scope name="scope" value=(fields.scope);
            }
            div {
                label for="digest" { "Digest of the key" }
                input #digest name="digest" value=(fields.digest) autocomplete="off";
            }
            div {
                label for="key" { "Or the key itself" }
                input #key name="key" value=(fields.key) autocomplete="off" aria-describedby="key-hint";
            }
            button.first { "Filter" }
            p.faint #key-hint { "A key can be a secret, and becomes a part of this page's address. The log has its digest." }
        }
    }
}

fn table(page: &Page) -> Markup {
    if page.records.is_empty() {
        return html! {
            @match &page.last {
                Some(_) => p { "None of the " (page.read) " records that were read matches. There are more." },
                None => p { "No record matches." },
            }
        };
    }
    html! {
        table.table.fold {
            caption { "Records in the order of scope, operation and key" }
            thead {
                tr {
                    @for head in ["Digest", "Scope", "Operation", "State", "Status", "Reference", "Stored", "Expires"] {
                        th scope="col" { (head) }
                    }
                    th.number scope="col" { "Bytes" }
                }
            }
            tbody { @for view in &page.records { (row(view)) } }
        }
    }
}

fn row(view: &RecordView) -> Markup {
    let name = &view.name;
    html! {
        tr {
            th scope="row" { a href=(Name::of(view).address("/operate/record", "")) { code { (name.key.digest()) } } }
            td data-label="Scope" { (visible(name.scope.as_str())) }
            td data-label="Operation" { (visible(name.operation.as_str())) }
            td data-label="State" { (state(view.state)) }
            td data-label="Status" { (view.status) }
            td data-label="Reference" { (visible_or_none(view.reference.as_deref())) }
            td data-label="Stored" { (utc(view.stored_at)) }
            td data-label="Expires" { (utc(view.expires_at)) }
            td.number data-label="Bytes" { (view.bytes) }
        }
    }
}

pub(super) fn state(state: RecordState) -> Markup {
    let class = match state {
        RecordState::Completed => "made",
        RecordState::Broken => "lost",
        RecordState::Parked => "refused",
        _ => "waits",
    };
    html! { span class={ "tag " (class) } { (state) } }
}

fn next(fields: &Fields, page: &Page) -> Markup {
    let Some(last) = &page.last else {
        return html! {};
    };
    let after = Name::of(last).to_place();
    let next = address(
        "/operate/records",
        &[
            ("operation", &fields.operation),
            ("state", &fields.state),
            ("scope", &fields.scope),
            ("key", &fields.key),
            ("digest", &fields.digest),
            ("after", &after),
        ],
    );
    html! { p { a href=(next) rel="next" { "Next page" } } }
}
