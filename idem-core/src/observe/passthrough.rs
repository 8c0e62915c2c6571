//! A transaction as an application without Idem would begin it.
//!
//! It differs from the transaction of an enforced attempt in all that Idem adds: no guard, no
//! limits, no hooks, no task. A savepoint that the handler leaks is released and commits, as it
//! does for an application that sends its own COMMIT.

use std::fmt;

use sqlx::{AssertSqlSafe, SqlSafeStr};
use sqlx_core::transaction::TransactionManager;

use crate::error::{claim_error, commit_error, record_error};
use crate::node::connection::ConnectionGuard;
use crate::node::connections::Connections;
use crate::store::Backend;
use crate::{Error, Isolation};

/// An open transaction. Dropping it, at any await, closes the connection.
pub(crate) struct PassthroughTransaction<DB: Backend>(ConnectionGuard<DB>);

impl<DB: Backend> PassthroughTransaction<DB> {
    pub(crate) async fn begin(
        connections: &Connections<DB>,
        isolation: Isolation,
    ) -> Result<Self, Error> {
        let mut connection = connections.for_observed().await?;
        let begin = AssertSqlSafe(DB::begin_statement(isolation)).into_sql_str();
        let begun = DB::TransactionManager::begin(&mut connection.conn, Some(begin)).await;
        begun.map_err(claim_error::<DB>)?;
        Ok(Self(connection))
    }

    pub(crate) fn conn(&mut self) -> &mut DB::Connection {
        &mut self.0.conn
    }

    pub(crate) fn conn_ref(&self) -> &DB::Connection {
        &self.0.conn
    }

    /// Commits, also the writes behind a savepoint that the handler has leaked.
    pub(crate) async fn commit(mut self) -> Result<(), Error> {
        release_savepoints::<DB>(self.conn()).await?;
        let committed = DB::TransactionManager::commit(self.conn()).await;
        committed.map_err(commit_error::<DB>)?;
        self.0.state.end();
        Ok(())
    }

    pub(crate) async fn roll_back(mut self) {
        while DB::TransactionManager::get_transaction_depth(self.conn()) > 0 {
            if DB::TransactionManager::rollback(self.conn()).await.is_err() {
                return;
            }
        }
        self.0.state.end();
    }
}

/// Releases the savepoints that the handler has leaked: for a nested transaction, sqlx sends
/// RELEASE instead of COMMIT.
pub(crate) async fn release_savepoints<DB: Backend>(
    conn: &mut DB::Connection,
) -> Result<(), Error> {
    while DB::TransactionManager::get_transaction_depth(conn) > 1 {
        let left = DB::TransactionManager::commit(conn).await;
        left.map_err(record_error::<DB>)?;
    }
    Ok(())
}

impl<DB: Backend> fmt::Debug for PassthroughTransaction<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PassthroughTransaction")
    }
}
