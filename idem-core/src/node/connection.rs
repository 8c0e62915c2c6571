//! A connection of the pool, which goes back to it only when it is idle.
//!
//! SQLx returns a connection to its pool when it is dropped, whatever its state. Here the state
//! decides: [`ConnectionState::Idle`] goes back, everything else is closed. A connection is marked
//! idle only after a statement was seen to end, so a future that is dropped at any await leaves it
//! marked as busy.
//!
//! On a database with one writer the connection also carries the turn of the writer. The turn must
//! outlive the connection's write lock: the next writer would otherwise find the file locked.

use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx_core::transaction::TransactionManager;
use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::connection_state::ConnectionState;
use crate::drop_guard::{DropGuard, EndOnDrop};
use crate::store::Backend;

/// A connection acquired from the pool, with what Idem knows of its state.
///
/// Until sqlx > 0.9.0 (transact-rs/sqlx#4385, #4393): a cancelled BEGIN leaves the transaction
/// open, and the pool would hand it to the next user, whose writes would be lost.
pub(crate) struct AcquiredConnection<DB: Backend> {
    pub(crate) conn: PoolConnection<DB>,
    pub(crate) state: ConnectionState,
    /// The turn of a writer, if the database allows one writer at a time.
    turn: Option<OwnedSemaphorePermit>,
}

/// Closes the connection when it is dropped, at any await, unless it is idle.
pub(crate) type ConnectionGuard<DB> = DropGuard<AcquiredConnection<DB>>;

impl<DB: Backend> AcquiredConnection<DB> {
    /// Guards a connection for a transaction.
    pub(crate) fn for_transaction(
        conn: PoolConnection<DB>,
        turn: Option<OwnedSemaphorePermit>,
    ) -> ConnectionGuard<DB> {
        let state = ConnectionState::Busy;
        Self { conn, state, turn }.guarded()
    }

    /// Guards a connection for statements outside of an attempt. [Settle](Self::settle) each.
    ///
    /// Where a statement begins a transaction of its own, a dropped one leaves it open, so the
    /// connection counts as busy from the beginning. Elsewhere a dropped statement leaves nothing.
    pub(crate) fn for_statements(
        conn: PoolConnection<DB>,
        turn: Option<OwnedSemaphorePermit>,
    ) -> ConnectionGuard<DB> {
        let state = match DB::BEGINS_OWN_TRANSACTION {
            true => ConnectionState::Busy,
            false => ConnectionState::Idle,
        };
        Self { conn, state, turn }.guarded()
    }

    /// Marks a statement outside of an attempt as ended. One that is dropped half-way may leave
    /// its transaction open.
    ///
    /// The depth is asked because a failed statement may have left the transaction open. At depth 0
    /// the connection goes back even after an error: a refused statement does not harm a session.
    pub(crate) fn settle<T>(&mut self, done: sqlx::Result<T>) -> sqlx::Result<T> {
        if DB::TransactionManager::get_transaction_depth(&self.conn) == 0 {
            self.state.end();
        }
        done
    }
}

impl<DB: Backend> EndOnDrop for AcquiredConnection<DB> {
    /// The next writer gets its turn once this connection has lost its lock, if need be by closing
    /// it.
    ///
    /// Closing needs an await, so it has a task. Without a runtime, as at the end of a process,
    /// nothing more can be done here.
    fn end_on_drop(self) {
        let Self {
            mut conn,
            state,
            turn,
        } = self;
        if state == ConnectionState::Idle {
            return;
        }
        conn.close_on_drop();
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                // Closing waits for the last statement, which may take longer than the limit.
                drop(timeout(LONGEST_CLOSE, conn.close()).await);
                drop(turn);
            });
        }
    }
}

/// How long the next writer waits for a connection that is being closed.
const LONGEST_CLOSE: Duration = Duration::from_secs(5);
