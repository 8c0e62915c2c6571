//! A transaction is not kept.

#[path = "../app.rs"]
mod app;

use app::*;

use std::sync::Mutex;

static PARKED: Mutex<Option<Tx<'static, Sqlite>>> = Mutex::new(None);

#[idempotent(scope = "tenant")]
async fn handler(State(_): State<AppState>, tx: Tx<Sqlite>) {
    *PARKED.lock().unwrap() = Some(tx);
}

fn main() {}
