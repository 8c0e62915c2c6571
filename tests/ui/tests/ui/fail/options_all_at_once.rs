//! One build tells all mistakes of an attribute.

#[path = "../app.rs"]
mod app;

use app::*;

#[idempotent(tll = "24h", key = optionl, timeout = 30, max_body = "64KB", store = "2xx, 4xx")]
async fn handler_1() {}

fn main() {}
