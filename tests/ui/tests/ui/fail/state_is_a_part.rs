//! `State<T>` may be a part of the router's state, which `state = …` then names.

#[path = "../app.rs"]
mod app;

use app::*;

#[derive(Clone)]
struct Mailer;

impl axum::extract::FromRef<AppState> for Mailer {
    fn from_ref(_: &AppState) -> Self {
        Mailer
    }
}

#[idempotent(scope = "tenant")]
async fn guessed(State(_): State<Mailer>) {}

#[idempotent(scope = "tenant", state = AppState)]
async fn named(State(_): State<Mailer>) {}

fn main() {}
