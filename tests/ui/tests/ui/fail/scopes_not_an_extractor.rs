//! The extractor behind a scope implements `ScopeKey`.

#[path = "../app.rs"]
mod app;

use app::*;

#[derive(Clone, HasIdempotency)]
#[scopes(user = HeaderMap)]
struct Users(Idempotency<Sqlite>);

#[idempotent(scope = "user")]
async fn handler(State(_): State<Users>) {}

fn main() {}
