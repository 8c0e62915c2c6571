//! A transaction as an application would begin it that knows nothing of Idem.

use std::fmt;

use scopeguard::ScopeGuard;
use sqlx::pool::PoolConnection;
use sqlx::{AssertSqlSafe, SqlSafeStr};
use sqlx_core::transaction::TransactionManager;
use tokio::sync::OwnedSemaphorePermit;

use crate::session::claim_error;
use crate::store::{Backend, Fault};
use crate::{Error, Idempotency, Isolation};

/// An open transaction. Dropped without an end, at any await, its connection is closed: sqlx loses
/// track of a BEGIN that is dropped (transact-rs/sqlx#4393).
pub(crate) struct Plain<DB: Backend> {
    conn: ScopeGuard<PoolConnection<DB>, fn(PoolConnection<DB>)>,
    /// The other writers of this node wait for their turn, so it takes one too.
    _turn: Option<OwnedSemaphorePermit>,
}

fn close<DB: Backend>(mut conn: PoolConnection<DB>) {
    conn.close_on_drop();
}

impl<DB: Backend> Plain<DB> {
    pub(crate) async fn begin(idem: &Idempotency<DB>, isolation: Isolation) -> Result<Self, Error> {
        let turn = idem.writers_turn().await;
        let conn = idem.pool().acquire().await.map_err(claim_error::<DB>)?;
        let mut conn = scopeguard::guard(conn, close as fn(PoolConnection<DB>));
        let begin = AssertSqlSafe(DB::plain_begin(isolation)).into_sql_str();
        let begun = DB::TransactionManager::begin(&mut conn, Some(begin)).await;
        begun.map_err(claim_error::<DB>)?;
        Ok(Self { conn, _turn: turn })
    }

    pub(crate) fn conn(&mut self) -> &mut DB::Connection {
        &mut self.conn
    }

    /// Commits, with what the handler wrote behind a savepoint that it has forgotten.
    pub(crate) async fn commit(mut self) -> Result<(), Error> {
        // sqlx takes the COMMIT of a nested transaction for RELEASE.
        while DB::TransactionManager::get_transaction_depth(&self.conn) > 0 {
            let committed = DB::TransactionManager::commit(&mut self.conn).await;
            committed.map_err(commit_error::<DB>)?;
        }
        drop(ScopeGuard::into_inner(self.conn));
        Ok(())
    }

    pub(crate) async fn roll_back(mut self) {
        while DB::TransactionManager::get_transaction_depth(&self.conn) > 0 {
            if DB::TransactionManager::rollback(&mut self.conn)
                .await
                .is_err()
            {
                return;
            }
        }
        drop(ScopeGuard::into_inner(self.conn));
    }
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
