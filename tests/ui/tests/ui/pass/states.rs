//! States of every shape.
#![deny(warnings)]

#[path = "../app.rs"]
mod app;

use std::sync::Arc;

use app::*;
use idem_axum::Backend;

#[derive(Clone, HasIdempotency)]
#[scopes(tenant = Tenant, r = Tenant)]
#[scopes(both = (Tenant, Tenant))]
struct Tuple(
    #[expect(dead_code, reason = "only the handle is asked for")] u8,
    Idempotency<Postgres>,
);

#[derive(HasIdempotency)]
struct Outer {
    #[idempotency]
    inner: Arc<Tuple>,
}

#[derive(HasIdempotency)]
#[scopes(tenant = Tenant)]
struct Generic<DB: Backend, T>
where
    T: Send + Sync,
{
    idem: idem_axum::Idempotency<DB>,
    _other: T,
}

#[derive(HasIdempotency)]
struct Nested<S>(#[idempotency] S);

#[derive(HasIdempotency)]
struct Two {
    #[idempotency]
    _new: Idempotency<Postgres>,
    _old: Idempotency<Sqlite>,
}

#[idempotent(scope = "both")]
async fn in_an_arc(State(_): State<Arc<Shared>>, _tx: Tx<Postgres>) {}

#[idempotent(scope = "r")]
async fn in_a_tuple(State(_): State<Tuple>) {}

#[idempotent(scope = "both")]
async fn by_two(State(_): State<Tuple>) {}

/// A library's routes, for any state of one database.
fn routes<S>() -> Router<S>
where
    S: HasIdempotency<Db = Postgres> + Clone + Send + Sync + 'static,
{
    #[idempotent(scope = Tenant)]
    async fn library(_tx: Tx<Postgres>) {}

    Router::new().route("/library", post(library))
}

#[derive(HasIdempotency)]
#[scopes(both = (Tenant, Tenant))]
struct Shared {
    #[idempotency]
    tuple: Tuple,
}

fn has<S: HasIdempotency>() {}

pub(crate) fn main() {
    has::<Arc<Outer>>();
    has::<Generic<Sqlite, String>>();
    has::<Nested<Generic<Postgres, u8>>>();
    has::<Two>();
    let _: Router<Tuple> = routes().route("/tuple", post(in_a_tuple).put(by_two));
    let _: Router<Arc<Shared>> = Router::new().route("/arc", post(in_an_arc));
}
