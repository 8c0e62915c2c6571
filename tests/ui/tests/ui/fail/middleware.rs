//! A middleware is no handler.

#[path = "../app.rs"]
mod app;

use app::*;

use axum::middleware::Next;

#[idempotent(scope = "global")]
async fn middleware(request: Request, next: Next) -> Response {
    next.run(request).await
}

fn main() {}
