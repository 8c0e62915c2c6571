//! An isolation is the default one or serializable.

#[path = "../app.rs"]
mod app;

use app::*;

#[idempotent(scope = "global", isolation = "serialisable")]
async fn handler_1() {}

fn main() {}
