//! One attribute holds all options.

#[path = "../app.rs"]
mod app;

use app::*;

#[idempotent(scope = "global")]
#[idempotent(ttl = "24h")]
async fn handler() {}

fn main() {}
