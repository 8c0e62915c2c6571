//! An isolation is the default one or serializable, of a transaction that the handler takes.

#[path = "../app.rs"]
mod app;

use app::*;

#[idempotent(scope = "global", isolation = "serialisable")]
async fn handler_1() {}

#[idempotent(scope = "global", isolation = "serializable")]
async fn handler_2() {}

fn main() {}
