//! A state is a struct.

use idem_axum::{HasIdempotency, Idempotency};
use sqlx::Sqlite;

#[derive(HasIdempotency)]
enum State {
    Only(Idempotency<Sqlite>),
}

fn main() {}
