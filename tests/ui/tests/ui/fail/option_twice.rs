//! An option is given once.

#[path = "../app.rs"]
mod app;

use app::*;

#[idempotent(scope = "global", ttl = "24h", ttl = "1h")]
async fn handler_1() {}

fn main() {}
