//! A scope that the state does not define.

#[path = "../app.rs"]
mod app;

use app::*;

#[idempotent(scope = "merchant")]
async fn handler(State(_): State<AppState>) {}

fn main() {}
