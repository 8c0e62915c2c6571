//! Whether a handler takes a transaction, and which engine runs its attempts.

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
