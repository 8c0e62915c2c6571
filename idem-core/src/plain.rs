//! A transaction as an application would begin it that knows nothing of Idem.

use std::fmt;

use sqlx::Transaction;
use sqlx_core::transaction::TransactionManager;
use tokio::sync::OwnedSemaphorePermit;

use crate::session::claim_error;
use crate::store::{Backend, Fault};
use crate::{Error, Idempotency, Isolation};

/// An open transaction. Dropped, it is rolled back by its pool.
pub(crate) struct Plain<DB: Backend> {
    tx: Transaction<'static, DB>,
    /// The other writers of this node wait for their turn, so it takes one too.
    _turn: Option<OwnedSemaphorePermit>,
}

impl<DB: Backend> Plain<DB> {
    pub(crate) async fn begin(idem: &Idempotency<DB>, isolation: Isolation) -> Result<Self, Error> {
        let turn = idem.writers_turn().await;
        let begun = idem.pool().begin_with(DB::plain_begin(isolation)).await;
        Ok(Self {
            tx: begun.map_err(claim_error::<DB>)?,
            _turn: turn,
        })
    }

    pub(crate) fn conn(&mut self) -> &mut DB::Connection {
        &mut self.tx
    }

    pub(crate) async fn commit(mut self) -> Result<(), Error> {
        commit::<DB>(&mut self.tx).await
    }

    pub(crate) async fn roll_back(mut self) {
        // What cannot be rolled back is not committed either: its connection is broken.
        while DB::TransactionManager::get_transaction_depth(&self.tx) > 0
            && DB::TransactionManager::rollback(&mut self.tx).await.is_ok()
        {}
    }
}

/// Commits, with what the handler wrote behind a savepoint that it has forgotten.
pub(crate) async fn commit<DB: Backend>(conn: &mut DB::Connection) -> Result<(), Error> {
    // sqlx takes the COMMIT of a nested transaction for RELEASE.
    while DB::TransactionManager::get_transaction_depth(conn) > 0 {
        let committed = DB::TransactionManager::commit(conn).await;
        committed.map_err(commit_error::<DB>)?;
    }
    Ok(())
}

pub(crate) fn commit_error<DB: Backend>(error: sqlx::Error) -> Error {
    match DB::fault(&error) {
        Fault::Unknown => Error::OutcomeUnknown,
        Fault::Collision => Error::TryAgain(Some(error)),
        Fault::Aborted | Fault::GuardLost | Fault::Refused => Error::NotCommitted {
            reason: "the database refused the COMMIT",
            source: Some(error),
        },
    }
}

impl<DB: Backend> fmt::Debug for Plain<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Plain")
    }
}
