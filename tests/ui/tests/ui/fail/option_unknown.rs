//! A misspelt option is recognised, an unknown one is answered with the list.

#[path = "../app.rs"]
mod app;

use app::*;

#[idempotent(scope = "global", tll = "24h")]
async fn handler_1() {}

#[idempotent(scope = "global", lease = "30s")]
async fn handler_2() {}

fn main() {}
