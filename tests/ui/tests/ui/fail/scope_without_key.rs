//! A scope must implement `ScopeKey`.

#[path = "../app.rs"]
mod app;

use app::*;

#[idempotent(scope = HeaderMap)]
async fn handler(State(_): State<AppState>) {}

fn main() {}
