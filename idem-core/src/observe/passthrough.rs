//! A transaction as an application would begin it that knows nothing of Idem.

use std::fmt;

use sqlx::{AssertSqlSafe, SqlSafeStr};
use sqlx_core::transaction::TransactionManager;

use crate::attempt::session::{claim_error, commit_refused, refusal};
use crate::node::connection::Holding;
use crate::store::{Backend, Fault};
use crate::{Error, Idempotency, Isolation};

/// An open transaction. Dropped without an end, at any await, its connection is closed.
pub(crate) struct PassthroughTransaction<DB: Backend>(Holding<DB>);

impl<DB: Backend> PassthroughTransaction<DB> {
    pub(crate) async fn begin(idem: &Idempotency<DB>, isolation: Isolation) -> Result<Self, Error> {
        let mut held = idem.hold().await?;
        let begin = AssertSqlSafe(DB::plain_begin(isolation)).into_sql_str();
        let begun = DB::TransactionManager::begin(&mut held.conn, Some(begin)).await;
        begun.map_err(claim_error::<DB>)?;
        Ok(Self(held))
    }

    pub(crate) fn conn(&mut self) -> &mut DB::Connection {
        &mut self.0.conn
    }

    /// Commits, with what the handler wrote behind a savepoint that it has forgotten.
    pub(crate) async fn commit(mut self) -> Result<(), Error> {
        leave_savepoints::<DB>(self.conn()).await?;
        let committed = DB::TransactionManager::commit(self.conn()).await;
        committed.map_err(commit_error::<DB>)?;
        self.0.known = true;
        Ok(())
    }

    pub(crate) async fn roll_back(mut self) {
        while DB::TransactionManager::get_transaction_depth(self.conn()) > 0 {
            if DB::TransactionManager::rollback(self.conn()).await.is_err() {
                return;
            }
        }
        self.0.known = true;
    }
}

/// Keeps what the handler wrote behind savepoints that it has forgotten: sqlx takes the COMMIT of
/// a nested transaction for RELEASE.
pub(crate) async fn leave_savepoints<DB: Backend>(conn: &mut DB::Connection) -> Result<(), Error> {
    while DB::TransactionManager::get_transaction_depth(conn) > 1 {
        let left = DB::TransactionManager::commit(conn).await;
        left.map_err(refusal::<DB>)?;
    }
    Ok(())
}

pub(crate) fn commit_error<DB: Backend>(error: sqlx::Error) -> Error {
    match DB::fault(&error) {
        Fault::Unknown => Error::OutcomeUnknown,
        Fault::Collision => Error::TryAgain(Some(error)),
        fault @ (Fault::Aborted | Fault::GuardLost | Fault::Failed | Fault::Refused) => {
            commit_refused(error, fault)
        }
    }
}

impl<DB: Backend> fmt::Debug for PassthroughTransaction<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PassthroughTransaction")
    }
}
