//! A name stands in quotes, a type does not.

#[path = "../app.rs"]
mod app;

use app::*;

#[idempotent(scope = tenant)]
async fn handler_1() {}

#[idempotent(scope = "Of<Tenant>")]
async fn handler_2() {}

#[idempotent(scope = "our tenant")]
async fn handler_3() {}

fn main() {}
