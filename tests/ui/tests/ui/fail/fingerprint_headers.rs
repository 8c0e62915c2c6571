//! Fingerprint headers are header names.

#[path = "../app.rs"]
mod app;

use app::*;

#[idempotent(scope = "global", fingerprint_headers = ["x currency", "X-A", "x-a"])]
async fn handler_1() {}

#[idempotent(scope = "global", fingerprint_headers = "x-currency")]
async fn handler_2() {}

fn main() {}
