//! A transaction does not leave its handler.

#[path = "../app.rs"]
mod app;

use app::*;

#[idempotent(scope = "tenant")]
async fn spawned(State(_): State<AppState>, mut tx: Tx<Sqlite>) {
    tokio::spawn(async move {
        let _done = sqlx::query("select 1").execute(&mut *tx).await;
    });
}

fn main() {}
