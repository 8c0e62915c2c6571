//! What each of the operator's pages has around its content.

use axum::response::Response;
use maud::{Markup, html};

use crate::layout;
use crate::operate::said::Said;

/// The lists, which each page links to.
const LISTS: [(&str, &str); 4] = [
    ("/operate", "Overview"),
    ("/operate/records", "Records"),
    ("/operate/dead-letters", "Dead letters"),
    ("/operate/metrics", "Metrics"),
];

/// A page below `list`, with what the last change has done.
pub(super) fn page(title: &str, list: &str, said: Option<Said>, content: &Markup) -> Response {
    let content = html! {
        nav aria-label="Operate" {
            @for (path, name) in LISTS {
                a href=(path) aria-current=[(path == list).then_some("true")] { (name) }
            }
        }
        @if let Some(said) = said {
            p.said role="status" { (said.text()) }
        }
        h1 { (title) }
        (content)
    };
    layout::page(&format!("{title} – Operate"), "/operate", &content)
}

/// The fields by which an operator agrees to a change. The names of its fields begin with `form`, to be unique.
pub(super) fn consent(form: &str, confirmation: &str) -> Markup {
    html! {
        (reason(form))
        p.check {
            input id={ (form) "-confirmed" } name="confirmed" type="checkbox" value="yes" required;
            label for={ (form) "-confirmed" } { (confirmation) }
        }
    }
}

/// The field for the reason of a change.
pub(super) fn reason(form: &str) -> Markup {
    html! {
        div {
            label for={ (form) "-reason" } { "Reason, for the audit log" }
            input id={ (form) "-reason" } name="reason" required maxlength="300" autocomplete="off";
        }
    }
}
