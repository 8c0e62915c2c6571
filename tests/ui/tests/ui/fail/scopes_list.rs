//! Each scope is named once, with the extractor behind it.

use idem_axum::{HasIdempotency, Idempotency};
use sqlx::Sqlite;

struct Tenant;

#[derive(HasIdempotency)]
#[scopes(tenant = Tenant, tenant = Tenant, global = Tenant)]
struct Names(Idempotency<Sqlite>);

#[derive(HasIdempotency)]
#[scopes(tenant)]
struct Bare(Idempotency<Sqlite>);

#[derive(HasIdempotency)]
#[scopes(tenant = "Tenant")]
struct Quoted(Idempotency<Sqlite>);

fn main() {}
