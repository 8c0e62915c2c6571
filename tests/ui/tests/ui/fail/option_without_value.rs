//! An option has a value.

#[path = "../app.rs"]
mod app;

use app::*;

#[idempotent(scope = "global", ttl)]
async fn handler_1() {}

#[idempotent(scope = "global", ttl("24h"))]
async fn handler_2() {}

#[idempotent("24h")]
async fn handler_3() {}

#[idempotent(scope = "global" ttl = "24h")]
async fn handler_4() {}

fn main() {}
