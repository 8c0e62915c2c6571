//! Whether the database answers.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;

use crate::app::AppState;
use crate::problem::{Problem, ProblemDocument};
use crate::read::read;

pub(crate) fn routes() -> Router<AppState> {
    Router::new().route("/healthz", get(health))
}

/// Whether the database answers.
#[utoipa::path(
    get,
    path = "/healthz",
    responses(
        (status = 200, description = "It does."),
        (status = 503, description = "It does not.", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(()),
)]
async fn health(State(app): State<AppState>) -> Result<StatusCode, Problem> {
    let ping = sqlx::query("select 1");
    match read(app.idem.pool(), |conn| Box::pin(ping.execute(conn))).await {
        Ok(_) => Ok(StatusCode::OK),
        // Any other answer means that it is not healthy.
        Err(Problem::Failed(error)) => Err(Problem::Unavailable(error)),
        Err(problem) => Err(problem),
    }
}
