//! A connection that is lent from the pool, and goes back to it only in a known state.

use std::time::Duration;

use scopeguard::ScopeGuard;
use sqlx::pool::PoolConnection;
use sqlx_core::transaction::TransactionManager;
use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use crate::store::Backend;

/// Until sqlx > 0.9.0 (transact-rs/sqlx#4385, #4393): a cancelled BEGIN leaves the transaction
/// open, and the pool would hand it to the next user, whose writes would be lost.
pub(crate) struct Held<DB: Backend> {
    pub(crate) conn: PoolConnection<DB>,
    pub(crate) known: bool,
    /// The turn of a writer, where the database lets one in at a time.
    turn: Option<OwnedSemaphorePermit>,
}

/// Dropped, at any await, it is [let go](Held::let_go).
pub(crate) type Holding<DB> = ScopeGuard<Held<DB>, fn(Held<DB>)>;

impl<DB: Backend> Held<DB> {
    pub(crate) fn hold(
        conn: PoolConnection<DB>,
        turn: Option<OwnedSemaphorePermit>,
    ) -> Holding<DB> {
        let held = Self {
            conn,
            known: false,
            turn,
        };
        scopeguard::guard(held, Self::let_go as fn(Self))
    }

    /// Holds a connection for a statement outside of an attempt.
    pub(crate) fn lend(
        conn: PoolConnection<DB>,
        turn: Option<OwnedSemaphorePermit>,
    ) -> Holding<DB> {
        let mut held = Self::hold(conn, turn);
        held.known = !DB::BRINGS_TRANSACTION;
        held
    }

    /// Such a statement is over, with this result. Dropped on its way, it would have left its transaction
    /// open.
    pub(crate) fn settle<T>(&mut self, done: sqlx::Result<T>) -> sqlx::Result<T> {
        self.known |= DB::TransactionManager::get_transaction_depth(&self.conn) == 0;
        done
    }

    /// The next writer has its turn when this one's lock is gone, with its connection if need be.
    fn let_go(self) {
        let Self {
            mut conn,
            known,
            turn,
        } = self;
        if known {
            return;
        }
        conn.close_on_drop();
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                // It is closed when its last statement is over, or left alone with it.
                drop(timeout(LONGEST_CLOSE, conn.close()).await);
                drop(turn);
            });
        }
    }
}

/// How long the next writer waits for a connection that is being closed.
const LONGEST_CLOSE: Duration = Duration::from_secs(5);
