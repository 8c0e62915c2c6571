//! The body's type lacks `Deserialize`.

#[path = "../app.rs"]
mod app;

use app::*;

struct Order;

#[idempotent(scope = "tenant")]
async fn handler(State(_): State<AppState>, Json(_): Json<Order>) {}

fn main() {
    let _: Router<AppState> = Router::new().route("/", post(handler));
}
