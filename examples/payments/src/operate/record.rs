//! One record. The response in it belongs to the client: it is read and shown only when the operator asks for it.

use axum::extract::State;
use axum::response::Response;
use idem_axum::{Completion, RecordView};
use maud::{Markup, html};

use crate::app::AppState;
use crate::operate::failure::Failure;
use crate::operate::input::InQuery;
use crate::operate::operator::Operator;
use crate::operate::record_name::Name;
use crate::operate::said::{LastChange, Said};
use crate::operate::text::{content, utc, visible, visible_or_none};
use crate::operate::{frame, invalidate, records};

pub(super) async fn show(
    _: Operator,
    State(app): State<AppState>,
    InQuery(name): InQuery<Name>,
    InQuery(change): InQuery<LastChange>,
) -> Result<Response, Failure> {
    let view = found(&app, &name).await?;
    Ok(page(&view, change.said(), None))
}

/// Shows the record with its stored response, which the audit log says.
pub(super) async fn show_response(
    operator: Operator,
    State(app): State<AppState>,
    InQuery(name): InQuery<Name>,
) -> Result<Response, Failure> {
    let view = found(&app, &name).await?;
    let response = app.idem.stored_response(&view.name).await?;
    let response = response.ok_or_else(no_record)?;
    let (scope, operation) = (view.name.scope.as_str(), view.name.operation.as_str());
    let (key, by) = (view.name.key.digest(), operator.name());
    tracing::warn!(target: "idem::audit", scope, operation, key, by, "stored response shown");
    Ok(page(&view, None, Some(&response)))
}

pub(super) async fn found(app: &AppState, name: &Name) -> Result<RecordView, Failure> {
    name.find(app).await?.ok_or_else(no_record)
}

fn no_record() -> Failure {
    Failure::not_found(
        "There is no such record any more. If late retries of its key are refused, \
         `payments idem records invalidate --key` lets the key run again.",
    )
}

fn page(view: &RecordView, said: Option<Said>, response: Option<&Completion>) -> Response {
    let name = Name::of(view);
    let content = html! {
        (fields(view))
        section aria-labelledby="response" {
            h2 #response { "Stored response" }
            @match response {
                Some(response) => {
                    (content("Headers", &response.headers))
                    (content("Body", &response.body))
                }
                None => form method="post" action=(name.address("/operate/record/response", "")) {
                    p { "It belongs to the client. Show it only to whoever may see what the client may: the audit log will have your name." }
                    button { "Show the stored response" }
                },
            }
        }
        (invalidate::section(view, &name))
    };
    frame::page("Record", "/operate/records", said, &content)
}

fn fields(view: &RecordView) -> Markup {
    let name = &view.name;
    let refused = view.refused_until.map_or_else(
        || "not refused: they run".to_owned(),
        |until| format!("until {}", utc(until)),
    );
    let rows = [
        ("Operation", visible(name.operation.as_str())),
        ("Scope", visible(name.scope.as_str())),
        ("Digest of the key", name.key.digest()),
        ("Status", view.status.to_string()),
        ("Reference", visible_or_none(view.reference.as_deref())),
        ("Stored", utc(view.stored_at)),
        ("Expires", utc(view.expires_at)),
        ("Late retries", refused),
        ("Bytes", view.bytes.to_string()),
    ];
    html! {
        table.table {
            caption { "Fields of the record" }
            tbody {
                tr { th scope="row" { "State" } td { (records::state(view.state)) } }
                @for (name, value) in rows { tr { th scope="row" { (name) } td { (value) } } }
            }
        }
    }
}
