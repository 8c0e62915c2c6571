//! An `async fn` of a trait promises no `Send`, which the attempt's task needs.

#[path = "../app.rs"]
mod app;

use app::*;

trait Repository: Send + Sync + 'static {
    async fn save(&self, payment: &Payment) -> Result<(), ApiError>;
}

#[idempotent(scope = "tenant")]
async fn handler<R: Repository>(
    axum::Extension(repository): axum::Extension<R>,
    Json(new): Json<Payment>,
) -> Result<(), ApiError> {
    repository.save(&new).await
}

fn main() {}
