//! The record and the writes are in one database.

#[path = "../app.rs"]
mod app;

use app::*;

#[idempotent(scope = "tenant")]
async fn handler(State(_): State<AppState>, _tx: Tx<Postgres>) {}

fn main() {
    let _: Router<AppState> = Router::new().route("/", post(handler));
}
