//! What is held across an await can move between threads.

#[path = "../app.rs"]
mod app;

use app::*;

use std::rc::Rc;

#[idempotent(scope = "tenant")]
async fn handler(State(_): State<AppState>, mut tx: Tx<Sqlite>) -> Result<(), ApiError> {
    let count = Rc::new(1);
    sqlx::query("select ?")
        .bind(*count)
        .execute(&mut *tx)
        .await?;
    drop(count);
    Ok(())
}

fn main() {}
