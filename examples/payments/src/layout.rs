//! What all pages for people have: their frame, their style and script, and what a browser may load for them.

use axum::Router;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use maud::{DOCTYPE, Markup, html};

use crate::app::AppState;

const STYLE: &str = include_str!("layout/page.css");
const SCRIPT: &str = include_str!("layout/page.js");

/// Everything comes from this server, and no text of a client's is ever run.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
     img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

pub(crate) fn routes() -> Router<AppState> {
    let style = get(async || ([(CONTENT_TYPE, "text/css; charset=utf-8")], STYLE));
    let script = get(async || ([(CONTENT_TYPE, "text/javascript; charset=utf-8")], SCRIPT));
    Router::new()
        .route("/assets/page.css", style)
        .route("/assets/page.js", script)
}

/// The places that each page links to.
const PLACES: [(&str, &str); 4] = [
    ("/", "Try it"),
    ("/operate", "Operate"),
    ("/idempotency", "Promises"),
    ("/docs/", "API"),
];

/// A page at one of [`PLACES`], or below it.
pub(crate) fn page(title: &str, place: &str, content: &Markup) -> Response {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                link rel="icon" href="data:,";
                link rel="stylesheet" href="/assets/page.css";
                script src="/assets/page.js" defer {}
            }
            body {
                a.skip href="#content" { "Skip to the content" }
                header {
                    p.brand { "Payments " span { "safe to retry" } }
                    nav aria-label="Pages" {
                        @for (path, name) in PLACES {
                            a href=(path) aria-current=[(path == place).then_some("page")] { (name) }
                        }
                    }
                }
                main #content { (content) }
            }
        }
    };
    (
        [(CONTENT_SECURITY_POLICY, POLICY)],
        Html(page.into_string()),
    )
        .into_response()
}

/// A sum in the smallest unit of a currency with cents.
pub(crate) fn money(cents: i64, currency: &str) -> String {
    format!("{}.{:02} {currency}", cents / 100, cents % 100)
}
