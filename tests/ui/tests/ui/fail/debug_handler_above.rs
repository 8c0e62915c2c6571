//! `#[debug_handler]` above checks the signature before the attribute has changed it.

#[path = "../app.rs"]
mod app;

use app::*;

#[axum::debug_handler]
#[idempotent(scope = "tenant")]
async fn handler(State(_): State<AppState>, _tx: Tx<Sqlite>) {}

fn main() {}
