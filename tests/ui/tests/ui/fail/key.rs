//! A key is required or optional.

#[path = "../app.rs"]
mod app;

use app::*;

#[idempotent(scope = "global", key = optionl)]
async fn handler_1() {}

fn main() {}
