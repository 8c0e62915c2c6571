//! A router's state, and the database of its handle.

use std::sync::Arc;

use idem_core::{Backend, Idempotency};

/// A router state that holds an [`Idempotency`].
///
/// Derive it: `#[derive(HasIdempotency)]` takes the field of type `Idempotency<…>`, or the one
/// marked `#[idempotency]`. `#[scopes(tenant = Tenant)]` names the scopes that handlers can ask
/// for.
///
/// The whole state implements it, and not a part of it by `FromRef`: a handler without a `Tx` could
/// not tell which of two handles it should use.
///
/// # Examples
///
/// By hand, where a derive does not fit:
///
/// ```
/// use idem_axum::{Backend, HasIdempotency, Idempotency};
///
/// #[derive(Clone)]
/// struct AppState<DB: Backend> {
///     idem: Idempotency<DB>,
/// }
///
/// impl<DB: Backend> HasIdempotency for AppState<DB> {
///     type Db = DB;
///
///     fn idempotency(&self) -> &Idempotency<DB> {
///         &self.idem
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "the router state `{Self}` carries no idempotency runtime",
    label = "`#[idempotent]` needs an `Idempotency<DB>` in the state",
    note = "add a field `idem: Idempotency<DB>` and `#[derive(HasIdempotency)]` to the state; if this is only a part of the router's state (`FromRef`), name that: `#[idempotent(…, state = AppState)]`"
)]
pub trait HasIdempotency {
    /// The database that records and handlers' writes share.
    type Db: Backend;

    /// The handle that this router's handlers use.
    fn idempotency(&self) -> &Idempotency<Self::Db>;
}

impl<DB: Backend> HasIdempotency for Idempotency<DB> {
    type Db = DB;

    fn idempotency(&self) -> &Self {
        self
    }
}

impl<T: HasIdempotency + ?Sized> HasIdempotency for Arc<T> {
    type Db = T::Db;

    fn idempotency(&self) -> &Idempotency<T::Db> {
        T::idempotency(self)
    }
}

/// Says that a `Tx` is of the database of the state's handle.
///
/// One impl per database, so that the compiler prints this message and not a type mismatch.
#[diagnostic::on_unimplemented(
    message = "`Tx<{Self}>` in a router whose idempotency runtime is for `{Runtime}`",
    label = "this handler asks for a `{Self}` transaction, the state has an `Idempotency<{Runtime}>`",
    note = "the record and the handler's writes must commit in one transaction of one database: use `Tx<{Runtime}>`"
)]
pub trait SameDb<Runtime: Backend>: Backend {
    /// The same handle.
    fn same(idem: &Idempotency<Runtime>) -> &Idempotency<Self>;
}

#[cfg(feature = "postgres")]
impl SameDb<Self> for sqlx::Postgres {
    fn same(idem: &Idempotency<Self>) -> &Idempotency<Self> {
        idem
    }
}

#[cfg(feature = "mysql")]
impl SameDb<Self> for sqlx::MySql {
    fn same(idem: &Idempotency<Self>) -> &Idempotency<Self> {
        idem
    }
}

#[cfg(feature = "sqlite")]
impl SameDb<Self> for sqlx::Sqlite {
    fn same(idem: &Idempotency<Self>) -> &Idempotency<Self> {
        idem
    }
}
