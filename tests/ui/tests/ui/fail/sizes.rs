//! Sizes have binary units and bounds.

#[path = "../app.rs"]
mod app;

use app::*;

#[idempotent(scope = "global", max_body = "64")]
async fn handler_1() {}

#[idempotent(scope = "global", max_body = "64KB")]
async fn handler_2() {}

#[idempotent(scope = "global", max_response = "2GiB")]
async fn handler_3() {}

#[idempotent(scope = "global", max_response = 65536)]
async fn handler_4() {}

fn main() {}
