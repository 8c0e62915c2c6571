//! One build tells all mistakes of a function.

#[path = "../app.rs"]
mod app;

use app::*;

#[idempotent(ttl = "24")]
fn handler(Json(_): Json<Payment>, key: &str, tx: Tx<Sqlite>, other: Tx<Sqlite>) {}

fn main() {}
