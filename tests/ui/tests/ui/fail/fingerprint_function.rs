//! A fingerprint function takes the input and returns bytes.

#[path = "../app.rs"]
mod app;

use app::*;

#[idempotent(scope = "global", fingerprint = "jsn")]
async fn misspelt() {}

#[idempotent(scope = "global", fingerprint = missing)]
async fn not_found() {}

#[idempotent(scope = "global", fingerprint = of_a_str)]
async fn other_argument() {}

#[idempotent(scope = "global", fingerprint = to_a_number)]
async fn other_result() {}

fn of_a_str(_: &str) -> Vec<u8> {
    Vec::new()
}

fn to_a_number(_: &idem_axum::FingerprintInput<'_>) -> u64 {
    0
}

fn main() {}
