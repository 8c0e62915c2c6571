//! Whether a handler takes a transaction, and which engine runs its attempts.
//!
//! The two are told apart by a type, since they differ in what the compiler must check. With a `Tx`
//! the database is named by the handler and compared with the state's. Without one the handler
//! names none: its engine is taken from the state, and the database's type is erased. Otherwise the
//! generated function would need a type parameter that nothing at the route determines.

use std::marker::PhantomData;

use idem_core::{Backend, Idempotency};

use crate::attempt::engine::AttemptEngine;
use crate::attempt::without_tx::EngineWithoutTx;
use crate::extract::state::{HasIdempotency, SameDb};

/// The handler takes a `Tx<DB>`.
#[derive(Debug)]
pub struct WithTx<DB>(PhantomData<fn() -> DB>);

/// The handler takes no `Tx`.
#[derive(Debug)]
pub struct NoTx;

/// Whether a handler takes a `Tx`.
pub trait TxMode {
    /// The engine that runs the handler's attempts.
    type Engine: AttemptEngine;
}

/// Whether a handler takes a `Tx`, in a router of state `S`.
///
/// It is a trait of its own beside [`TxMode`], because the methods of `IdempotentRequest`
/// name the engine and do not know the state.
pub trait TxModeIn<S>: TxMode {
    /// Takes the engine from the state.
    fn engine(state: &S) -> Self::Engine;
}

impl<DB: Backend> TxMode for WithTx<DB> {
    type Engine = Idempotency<DB>;
}

impl<S: HasIdempotency, DB: SameDb<S::Db>> TxModeIn<S> for WithTx<DB> {
    fn engine(state: &S) -> Idempotency<DB> {
        DB::same(state.idempotency()).clone()
    }
}

impl TxMode for NoTx {
    type Engine = EngineWithoutTx;
}

impl<S: HasIdempotency> TxModeIn<S> for NoTx {
    fn engine(state: &S) -> EngineWithoutTx {
        EngineWithoutTx::new(state.idempotency().clone())
    }
}
