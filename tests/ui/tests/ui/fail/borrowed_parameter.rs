//! An extractor is an owned value.

#[path = "../app.rs"]
mod app;

use app::*;

type PgTx<'t> = Tx<'t, Postgres>;

#[idempotent(scope = "global")]
async fn borrowed(key: &str) {}

#[idempotent(scope = "global")]
async fn other_name(tx: PgTx<'_>) {}

#[idempotent(scope = "global")]
async fn marked_without_database(#[tx] tx: PgTx<'_>) {}

fn main() {}
