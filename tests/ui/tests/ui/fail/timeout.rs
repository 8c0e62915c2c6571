//! A timeout is between 10 ms and an hour, and longer than the wait.

#[path = "../app.rs"]
mod app;

use app::*;

#[idempotent(scope = "global", timeout = "5ms")]
async fn handler_1() {}

#[idempotent(scope = "global", timeout = "2h")]
async fn handler_2() {}

#[idempotent(scope = "global", timeout = "5s", in_flight = "wait 5s")]
async fn handler_3() {}

fn main() {}
