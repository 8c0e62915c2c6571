//! The function as written needs a name of its own.

#[path = "../app.rs"]
mod app;

use app::*;

#[idempotent(scope = "global", plain = handler)]
async fn handler() {}

fn main() {}
