//! `Self` is unknown inside a function that is nested in a method.

#[path = "../app.rs"]
mod app;

use app::*;

struct Payments;

impl Payments {
    const LIMIT: i64 = 10;

    #[idempotent(scope = "global")]
    async fn create(Json(new): Json<Payment>) -> Json<bool> {
        Json(new.amount < Self::LIMIT)
    }
}

fn main() {}
