//! The attribute goes on a function.

#[path = "../app.rs"]
mod app;

use app::*;

#[idempotent(scope = "global")]
struct Handler;

fn main() {}
