//! A handler has one transaction.

#[path = "../app.rs"]
mod app;

use app::*;

#[idempotent(scope = "global")]
async fn handler(from: Tx<Sqlite>, to: Tx<Sqlite>) {}

fn main() {}
