//! Without the attribute a `Tx` is no extractor.

#[path = "../app.rs"]
mod app;

use app::*;

async fn handler(State(_): State<AppState>, _tx: Tx<'_, Sqlite>) {}

fn main() {
    let _: Router<AppState> = Router::new().route("/", post(handler));
}
