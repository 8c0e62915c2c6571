//! Only the last extractor may read the body.

#[path = "../app.rs"]
mod app;

use app::*;

#[idempotent(scope = "global")]
async fn json_first(Json(_): Json<Payment>, mut tx: Tx<Sqlite>, State(_): State<AppState>) {}

#[idempotent(scope = "global")]
async fn two_bodies(text: String, Json(_): Json<Payment>) {}

fn main() {}
