//! The scope says whose keys these are, and has no default.

#[path = "../app.rs"]
mod app;

use app::*;

#[idempotent(ttl = "24h")]
async fn handler_1() {}

#[idempotent()]
async fn handler_2() {}

fn main() {}
