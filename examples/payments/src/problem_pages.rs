//! A page for each of Idem's problem types, from the table of `docs/PROBLEMS.md`.

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;

use crate::app::AppState;

const TABLE: &str = include_str!("../../../docs/PROBLEMS.md");

pub(crate) fn routes() -> Router<AppState> {
    Router::new().route("/problems/{name}", get(page))
}

/// Explains a problem type of idempotency.
#[utoipa::path(
    get,
    path = "/problems/{name}",
    params(("name" = String, Path, description = "The last part of the problem's `type`.")),
    responses(
        (status = 200, description = "The page.", body = String, content_type = "text/html"),
        (status = 404, description = "There is no such problem type."),
    ),
    security(()),
)]
async fn page(Path(name): Path<String>) -> Response {
    let mut rows = TABLE.lines().filter_map(row);
    match rows.find(|[named, ..]| *named == name) {
        Some(row) => Html(html(row)).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Name, status, meaning, what a client does, whether to retry.
fn row(line: &str) -> Option<[&str; 5]> {
    let cells = line.strip_prefix("| `")?.strip_suffix(" |")?;
    let cells: Vec<_> = cells.split(" | ").collect();
    let [name, rest @ ..] = <[&str; 5]>::try_from(cells).ok()?;
    let [status, meaning, action, retry] = rest;
    Some([name.trim_end_matches('`'), status, meaning, action, retry])
}

fn html([name, status, meaning, action, retry]: [&str; 5]) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{name}</title>\
         <h1>{name}</h1><p>Status {status}. {meaning}</p><h2>What to do</h2><p>{action}</p>\
         <p>Retry by a program: {retry}.</p></html>\n"
    )
}
