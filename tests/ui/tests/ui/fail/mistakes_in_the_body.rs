//! Errors in the user's code stand where the user made them.

#[path = "../app.rs"]
mod app;

use app::*;

#[idempotent(scope = "tenant")]
async fn handler(
    State(app): State<AppState>,
    Json(new): Json<Payment>,
) -> Result<Json<Payment>, ApiError> {
    let amount: String = new.amount;
    let mailer = app.mailer;
    std::fs::read("receipt")?;
    Ok(amount)
}

fn main() {}
