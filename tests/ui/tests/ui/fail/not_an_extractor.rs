//! Every parameter is an extractor.

#[path = "../app.rs"]
mod app;

use app::*;

struct Clock;

#[idempotent(scope = "tenant")]
async fn handler(State(_): State<AppState>, _clock: Clock, Json(_): Json<Payment>) {}

#[idempotent(scope = "tenant")]
async fn last(State(_): State<AppState>, _clock: Clock) {}

fn main() {}
