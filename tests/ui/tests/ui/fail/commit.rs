//! Only Idem commits.

#[path = "../app.rs"]
mod app;

use app::*;

#[idempotent(scope = "tenant")]
async fn commits(State(_): State<AppState>, tx: Tx<Sqlite>) {
    tx.commit().await.unwrap();
}

#[idempotent(scope = "tenant")]
async fn awaits(State(_): State<AppState>, tx: Tx<Sqlite>) -> Result<(), ApiError> {
    tx.rollback().await?;
    Ok(())
}

fn main() {}
