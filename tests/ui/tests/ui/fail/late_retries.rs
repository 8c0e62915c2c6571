//! A late retry runs, or is refused for a given time.

#[path = "../app.rs"]
mod app;

use app::*;

#[idempotent(scope = "global", late_retries = "refuse")]
async fn handler_1() {}

#[idempotent(scope = "global", late_retries = "reject")]
async fn handler_2() {}

#[idempotent(scope = "global", late_retries = "refuse 11y")]
async fn handler_3() {}

fn main() {}
