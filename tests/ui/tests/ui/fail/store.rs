//! Answers that ask for a retry are never stored.

#[path = "../app.rs"]
mod app;

use app::*;

#[idempotent(scope = "global", store = "2xx, 5xx")]
async fn handler_1() {}

#[idempotent(scope = "global", store = "2xx, 4xx")]
async fn handler_2() {}

#[idempotent(scope = "global", store = "2xx, 401, 403, 408, 425, 429")]
async fn handler_3() {}

#[idempotent(scope = "global", store = "2xx, 503")]
async fn handler_4() {}

#[idempotent(scope = "global", store = "2xx, 100")]
async fn handler_5() {}

#[idempotent(scope = "global", store = "402")]
async fn handler_6() {}

#[idempotent(scope = "global", store = "2xx, teapot, 402, 402")]
async fn handler_7() {}

fn main() {}
