//! A handler without Idem.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use sqlx::SqlitePool;

#[derive(Clone)]
struct App {
    pool: SqlitePool,
}

struct ApiError;

impl From<sqlx::Error> for ApiError {
    fn from(_: sqlx::Error) -> Self {
        Self
    }
}

async fn pay(State(app): State<App>, Json(amount): Json<i64>) -> Result<StatusCode, ApiError> {
    let mut tx = app.pool.begin().await?;
    let insert = sqlx::query("insert into payment (amount) values (?)");
    insert.bind(amount).execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(StatusCode::CREATED)
}
