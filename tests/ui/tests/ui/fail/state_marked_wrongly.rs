//! A marked field leads to a runtime.

use idem_axum::HasIdempotency;

#[derive(HasIdempotency)]
struct State {
    #[idempotency]
    pool: sqlx::SqlitePool,
}

fn main() {}
