//! One runtime serves a router.

use idem_axum::{HasIdempotency, Idempotency};
use sqlx::{Postgres, Sqlite};

#[derive(HasIdempotency)]
struct Unmarked {
    old: Idempotency<Sqlite>,
    new: Idempotency<Postgres>,
}

#[derive(HasIdempotency)]
struct Marked(
    #[idempotency] Idempotency<Sqlite>,
    #[idempotency] Idempotency<Postgres>,
);

fn main() {}
