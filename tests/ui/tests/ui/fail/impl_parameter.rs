//! A router cannot infer an `impl Trait` argument.

#[path = "../app.rs"]
mod app;

use app::*;

#[idempotent(scope = "global")]
async fn handler(Json(_): Json<impl Serialize>) {}

fn main() {}
