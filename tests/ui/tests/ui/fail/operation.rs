//! The name of an operation has 1 to 255 bytes.

#[path = "../app.rs"]
mod app;

use app::*;

#[idempotent(scope = "global", operation = "")]
async fn handler_1() {}

#[idempotent(scope = "global", operation = "a\nb")]
async fn handler_2() {}

#[idempotent(scope = "global", operation = payments)]
async fn handler_3() {}

fn main() {}
