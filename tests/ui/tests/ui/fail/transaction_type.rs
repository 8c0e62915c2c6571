//! A `Tx` names its database and no lifetime.

#[path = "../app.rs"]
mod app;

use app::*;

#[idempotent(scope = "global")]
async fn without_database(tx: Tx) {}

#[idempotent(scope = "global")]
async fn with_lifetime(tx: Tx<'static, Sqlite>) {}

fn main() {}
