//! A handler is no method.

#[path = "../app.rs"]
mod app;

use app::*;

struct Payments;

impl Payments {
    #[idempotent(scope = "global")]
    async fn create(&self, Json(_): Json<Payment>) {}
}

fn main() {}
