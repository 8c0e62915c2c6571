//! A duplicate is refused, or waits for a given time.

#[path = "../app.rs"]
mod app;

use app::*;

#[idempotent(scope = "global", in_flight = "wait")]
async fn handler_1() {}

#[idempotent(scope = "global", in_flight = "block")]
async fn handler_2() {}

#[idempotent(scope = "global", in_flight = "wait 20m")]
async fn handler_3() {}

fn main() {}
