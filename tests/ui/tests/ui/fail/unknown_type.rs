//! A type that is not found.

#[path = "../app.rs"]
mod app;

use app::*;

#[idempotent(scope = "tenant")]
async fn handler(State(_): State<AppState>, Json(_): Json<Paymnt>) {}

fn main() {}
