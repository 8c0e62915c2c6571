//! The same without a state in the handler: the router finds out.

#[path = "../app.rs"]
mod app;

use app::*;

#[idempotent(scope = "merchant")]
async fn handler() {}

fn main() {
    let _: Router<AppState> = Router::new().route("/", post(handler));
}
