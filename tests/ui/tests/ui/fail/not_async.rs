//! A handler is an `async fn`.

#[path = "../app.rs"]
mod app;

use app::*;

#[idempotent(scope = "global")]
fn handler() {}

fn main() {}
