//! A handler returns a response.

#[path = "../app.rs"]
mod app;

use app::*;

struct Receipt;

#[idempotent(scope = "tenant")]
async fn handler(State(_): State<AppState>) -> Result<Receipt, ApiError> {
    Ok(Receipt)
}

fn main() {
    let _: Router<AppState> = Router::new().route("/", post(handler));
}
