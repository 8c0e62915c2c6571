//! The parameters of a handler are always the same.

#[path = "../app.rs"]
mod app;

use app::*;

#[idempotent(scope = "global")]
async fn handler(#[cfg(test)] headers: HeaderMap, Json(_): Json<Payment>) {}

fn main() {}
