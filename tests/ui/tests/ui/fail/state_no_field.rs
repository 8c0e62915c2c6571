//! A state has a runtime.

use idem_axum::HasIdempotency;

#[derive(HasIdempotency)]
struct State {
    pool: sqlx::SqlitePool,
}

fn main() {}
