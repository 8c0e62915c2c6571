//! A handler owns what it gets.

#[path = "../app.rs"]
mod app;

use app::*;

#[idempotent(scope = "global")]
async fn handler<'a>(Json(_): Json<&'a str>) {}

fn main() {}
