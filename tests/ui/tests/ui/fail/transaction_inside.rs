//! A `Tx` is a parameter of its own.

#[path = "../app.rs"]
mod app;

use app::*;

#[idempotent(scope = "global")]
async fn in_a_tuple((tx, Json(_)): (Tx<Sqlite>, Json<Payment>)) {}

#[idempotent(scope = "global")]
async fn by_reference(tx: &mut Tx<Sqlite>) {}

#[idempotent(scope = "global")]
async fn optional(tx: Option<Tx<Sqlite>>) {}

fn main() {}
