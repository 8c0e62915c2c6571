//! A handler has no qualifiers but `async`.

#[path = "../app.rs"]
mod app;

use app::*;

#[idempotent(scope = "global")]
async unsafe fn handler() {}

fn main() {}
