//! Acquires connections: from the pool, in the queue of writers, and within a time limit.
//!
//! Four ways to a connection, by who waits and for how long:
//!
//! | for | waits for the turn of a writer | waits for the pool |
//! | --- | --- | --- |
//! | an enforced attempt | until its deadline | until the acquire timeout or its deadline |
//! | an observed attempt | for 5 s, then goes on without | as long as the pool itself allows |
//! | statements that read | never | until the acquire timeout or the deadline |
//! | statements that write | for 5 s, then goes on without | until the acquire timeout or their patience |
//!
//! The turn comes before the connection. In the other order writers that wait for their turn would
//! hold all connections, and the writer that has the turn could get none.
//!
//! A turn is granted in order of arrival; SQLite's own lock is not.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use sqlx::Pool;
use sqlx::pool::PoolConnection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};

use super::connection::{AcquiredConnection, ConnectionGuard};
use crate::Error;
use crate::error::claim_error;
use crate::outside_tx::not_in_handler;
use crate::store::Backend;

/// The source of all connections that Idem uses.
pub(crate) struct Connections<DB: Backend> {
    pub(crate) pool: Pool<DB>,
    acquire_timeout: Duration,
    /// `None` if the database allows several writers at a time.
    writers: Option<Arc<Semaphore>>,
}

impl<DB: Backend> Connections<DB> {
    pub(crate) fn new(pool: Pool<DB>, acquire_timeout: Duration) -> Self {
        Self {
            pool,
            acquire_timeout,
            writers: DB::SINGLE_WRITER.then(|| Arc::new(Semaphore::new(1))),
        }
    }

    /// Acquires a connection for an attempt's transaction, in the turn of a writer and before the
    /// deadline.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`] at the deadline. [`Error::Unavailable`] if the pool has no connection
    /// within the acquire timeout, or cannot open one.
    pub(crate) async fn for_attempt(
        &self,
        deadline: Instant,
    ) -> Result<ConnectionGuard<DB>, Error> {
        let turn = timeout_at(deadline, self.writers_turn()).await;
        let turn = turn.map_err(|_| Error::TimedOut)?;
        let conn = self.acquire(deadline).await?;
        Ok(AcquiredConnection::for_transaction(conn, turn))
    }

    /// Acquires a connection for a handler in a non-enforcing mode, within the pool's own timeout,
    /// as the application itself would.
    pub(crate) async fn for_observed(&self) -> Result<ConnectionGuard<DB>, Error> {
        let turn = self.writers_turn_soon().await;
        let acquired = not_in_handler(pin!(self.pool.acquire())).await;
        let conn = acquired.map_err(claim_error::<DB>)?;
        Ok(AcquiredConnection::for_transaction(conn, turn))
    }

    /// Acquires a connection for statements that read, outside of an attempt.
    pub(crate) async fn for_reading(
        &self,
        deadline: Instant,
    ) -> Result<ConnectionGuard<DB>, Error> {
        let conn = self.acquire(deadline).await?;
        Ok(AcquiredConnection::for_statements(conn, None))
    }

    /// Acquires a connection for statements that write, outside of an attempt. `patience` begins
    /// with the turn of the writer.
    pub(crate) async fn for_writing(
        &self,
        patience: Duration,
    ) -> Result<ConnectionGuard<DB>, Error> {
        let turn = self.writers_turn_soon().await;
        let conn = self.acquire(Instant::now() + patience).await?;
        Ok(AcquiredConnection::for_statements(conn, turn))
    }

    /// Acquires a connection within the acquire timeout and before the deadline.
    ///
    /// Which limit was reached decides about the error: the attempt's own deadline is a timeout of
    /// the attempt, the acquire timeout an overload of the pool. The pool's own `acquire_timeout`,
    /// 30 seconds by default, would keep a request waiting after its client has gone.
    async fn acquire(&self, deadline: Instant) -> Result<PoolConnection<DB>, Error> {
        let until = Instant::now() + self.acquire_timeout;
        let mut acquiring = Box::pin(self.pool.acquire());
        match timeout_at(until.min(deadline), not_in_handler(&mut acquiring)).await {
            Ok(Ok(conn)) => Ok(conn),
            Ok(Err(error)) => Err(Error::Unavailable(error)),
            Err(_) => {
                // Dropped while the pool tests or opens a connection, it would close that. Under an overload each
                // waiter is late when its turn comes, and the node would be left without connections.
                tokio::spawn(timeout(LATE, acquiring));
                match deadline < until {
                    true => Err(Error::TimedOut),
                    false => Err(Error::Unavailable(sqlx::Error::PoolTimedOut)),
                }
            }
        }
    }

    async fn writers_turn(&self) -> Option<OwnedSemaphorePermit> {
        // The semaphore is never closed.
        Arc::clone(self.writers.as_ref()?)
            .acquire_owned()
            .await
            .ok()
    }

    /// As [`writers_turn`](Self::writers_turn), but gives up after a while: the earlier writer may
    /// have no time limit, or wait for the caller. Then the database decides who writes.
    async fn writers_turn_soon(&self) -> Option<OwnedSemaphorePermit> {
        let turn = timeout(LONGEST_TURN, self.writers_turn()).await;
        turn.ok().flatten()
    }
}

/// How much longer a connection may be tested or opened for somebody who no longer waits.
const LATE: Duration = Duration::from_secs(1);

/// As long as SQLite waits for other writers by default.
const LONGEST_TURN: Duration = Duration::from_secs(5);
