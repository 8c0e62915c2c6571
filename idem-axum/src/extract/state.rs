//! A router's state, and the database of its handle.
//!
//! [`HasIdempotency`] leads from the state to the handle, [`SameDb`] from the handle's database to
//! the one in the handler's `Tx<DB>`. Both are checked where the handler is routed, and by the
//! attribute on the user's own types if it knows the state.

use std::sync::Arc;

use idem_core::{Backend, Idempotency};

/// A router state that holds an [`Idempotency`].
///
/// Derive it: `#[derive(HasIdempotency)]` takes the field of type `Idempotency<…>`, or the one
/// marked `#[idempotency]`. `#[scopes(tenant = Tenant)]` names the scopes that handlers can ask
/// for.
///
/// The whole state implements it, and not a part of it by `FromRef`: a handler without a `Tx` could
/// not tell which of two handles it should use. Nor could an application implement `FromRef` for a
/// state in an `Arc`: both types are foreign to it (E0117). `Arc<T>` has this trait if `T` does.
///
/// # When to use which
///
/// * **One state**: derive it.
/// * **A nested state**: derive it on the outer one too, and mark the field that leads to the inner
///   one with `#[idempotency]`.
/// * **Two databases in one application**: two states, each with its handle, and a router for each.
///   A handler's record and writes commit in one transaction, which has one database.
/// * **A library of routes**: ask for the trait, and leave the state to its user.
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
///
/// Routes that a library adds to any application on Postgres:
///
/// ```
/// # #[cfg(all(feature = "postgres", feature = "macros"))]
/// # mod library {
/// use axum::{Router, http::StatusCode, routing::post};
/// use idem_axum::{HasIdempotency, Tx, idempotent};
/// use sqlx::Postgres;
///
/// #[idempotent(scope = "global")]
/// async fn subscribe(mut tx: Tx<Postgres>) -> Result<StatusCode, StatusCode> {
///     let insert = sqlx::query("insert into subscription default values");
///     match insert.execute(&mut *tx).await {
///         Ok(_) => Ok(StatusCode::CREATED),
///         Err(_) => Err(StatusCode::INTERNAL_SERVER_ERROR),
///     }
/// }
///
/// pub fn routes<S>() -> Router<S>
/// where
///     S: HasIdempotency<Db = Postgres> + Clone + Send + Sync + 'static,
/// {
///     Router::new().route("/subscriptions", post(subscribe))
/// }
/// # }
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
    ///
    /// It is called once for each request. Return the same handle each time: running attempts,
    /// their bounds and the shutdown are counted in it, so a new one would see no duplicates on
    /// this node.
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
/// One impl per database, so that the compiler prints this message and not a type mismatch. A
/// blanket `impl<T> SameDb<T> for T` would make it say "type mismatch resolving `Db == MySql`"
/// (E0271).
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
