//! Durations have units and bounds.

#[path = "../app.rs"]
mod app;

use app::*;

#[idempotent(scope = "global", ttl = "24")]
async fn handler_1() {}

#[idempotent(scope = "global", ttl = "24hours")]
async fn handler_2() {}

#[idempotent(scope = "global", ttl = "1month")]
async fn handler_3() {}

#[idempotent(scope = "global", ttl = 24h)]
async fn handler_4() {}

#[idempotent(scope = "global", ttl = "0s")]
async fn handler_5() {}

#[idempotent(scope = "global", ttl = "11d 520w")]
async fn handler_6() {}

fn main() {}
