//! A database that Idem does not know.

#[path = "../app.rs"]
mod app;

use app::*;

struct Oracle;

#[idempotent(scope = "global")]
async fn handler(tx: Tx<Oracle>) {}

fn main() {}
