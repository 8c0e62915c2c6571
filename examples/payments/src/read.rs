//! Reads that are limited by the pool's acquire timeout.

use futures_util::future::BoxFuture;
use sqlx::Pool;
use tokio::time::{Instant, timeout_at};

use crate::database::{Connection, Db};
use crate::problem::Problem;

/// Reads on a connection of the pool.
///
/// # Errors
///
/// [`Problem::Unavailable`] if no connection or no answer arrives within the pool's acquire timeout.
pub(crate) async fn read<T>(
    pool: &Pool<Db>,
    statement: impl for<'c> FnOnce(&'c mut Connection) -> BoxFuture<'c, sqlx::Result<T>>,
) -> Result<T, Problem> {
    let until = Instant::now() + pool.options().get_acquire_timeout();
    let acquired = pool.acquire().await;
    let mut conn = acquired.map_err(|error| Problem::Unavailable(Some(error)))?;
    match timeout_at(until, statement(&mut conn)).await {
        Ok(read) => Ok(read?),
        Err(_) => {
            // In the pool the connection would still wait for this answer.
            conn.close_on_drop();
            Err(Problem::Unavailable(Some(sqlx::Error::PoolTimedOut)))
        }
    }
}
