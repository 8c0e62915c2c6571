//! How connections are lent: the pool, the queue of writers, and the time to wait for both.

use std::sync::Arc;
use std::time::Duration;

use sqlx::Pool;
use sqlx::pool::PoolConnection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};

use super::connection::{ConnectionGuard, LentConnection};
use crate::Error;
use crate::error::claim_error;
use crate::store::Backend;

/// Where sessions get their connections.
pub(crate) struct Connections<DB: Backend> {
    pub(crate) pool: Pool<DB>,
    acquire_timeout: Duration,
    /// None where the database lets writers in beside each other.
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

    /// A connection for an attempt's transaction: in the turn of a writer, before the deadline.
    pub(crate) async fn for_attempt(
        &self,
        deadline: Instant,
    ) -> Result<ConnectionGuard<DB>, Error> {
        let turn = timeout_at(deadline, self.writers_turn()).await;
        let turn = turn.map_err(|_| Error::TimedOut)?;
        let conn = self.acquire(deadline).await?;
        Ok(LentConnection::for_transaction(conn, turn))
    }

    /// A connection for a handler in a mode that does not enforce: in the pool's own time, as the
    /// application's own transaction would have it.
    pub(crate) async fn for_observed(&self) -> Result<ConnectionGuard<DB>, Error> {
        let turn = self.writers_turn_soon().await;
        let conn = self.pool.acquire().await.map_err(claim_error::<DB>)?;
        Ok(LentConnection::for_transaction(conn, turn))
    }

    /// A connection for statements that read, outside of an attempt.
    pub(crate) async fn for_reading(
        &self,
        deadline: Instant,
    ) -> Result<ConnectionGuard<DB>, Error> {
        let conn = self.acquire(deadline).await?;
        Ok(LentConnection::for_statements(conn, None))
    }

    /// A connection for statements that write, outside of an attempt. `patience` counts from when
    /// it has its turn.
    pub(crate) async fn for_writing(
        &self,
        patience: Duration,
    ) -> Result<ConnectionGuard<DB>, Error> {
        let turn = self.writers_turn_soon().await;
        let conn = self.acquire(Instant::now() + patience).await?;
        Ok(LentConnection::for_statements(conn, turn))
    }

    /// A connection, within the acquire timeout and before the deadline.
    async fn acquire(&self, deadline: Instant) -> Result<PoolConnection<DB>, Error> {
        let until = Instant::now() + self.acquire_timeout;
        match timeout_at(until.min(deadline), self.pool.acquire()).await {
            Ok(Ok(conn)) => Ok(conn),
            Ok(Err(error)) => Err(Error::Unavailable(error)),
            Err(_) if deadline < until => Err(Error::TimedOut),
            Err(_) => Err(Error::Unavailable(sqlx::Error::PoolTimedOut)),
        }
    }

    async fn writers_turn(&self) -> Option<OwnedSemaphorePermit> {
        // The semaphore is never closed.
        Arc::clone(self.writers.as_ref()?)
            .acquire_owned()
            .await
            .ok()
    }

    /// As [`writers_turn`](Self::writers_turn), unless it takes long: the writer before may have no
    /// time limit, or wait for the caller. Then the database itself decides.
    async fn writers_turn_soon(&self) -> Option<OwnedSemaphorePermit> {
        let turn = timeout(LONGEST_TURN, self.writers_turn()).await;
        turn.ok().flatten()
    }
}

/// How long SQLite waits for other writers, unless it is told otherwise.
const LONGEST_TURN: Duration = Duration::from_secs(5);
