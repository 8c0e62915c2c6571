//! The state of the router has no `Idempotency`.

#[path = "../app.rs"]
mod app;

use app::*;

#[derive(Clone)]
struct Bare;

#[idempotent(scope = "global")]
async fn handler(State(_): State<Bare>) {}

fn main() {
    let _: Router<Bare> = Router::new().route("/", post(handler));
}
