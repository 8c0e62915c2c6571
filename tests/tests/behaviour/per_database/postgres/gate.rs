//! A gate at which statements wait for a test.

use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{Executor, Pool};
use tokio::time::{sleep, timeout};

use super::Db;

/// Waits while the gate is shut.
pub const WAIT: &str = "select pg_advisory_xact_lock(1)";

/// The gate of one database.
pub struct Gate(PoolConnection<Db>);

impl Gate {
    pub async fn shut(pool: &Pool<Db>) -> Self {
        let mut conn = pool.acquire().await.unwrap();
        conn.execute("select pg_advisory_lock(1)").await.unwrap();
        Self(conn)
    }

    pub async fn open(&mut self) {
        let open = "select pg_advisory_unlock(1)";
        self.0.execute(open).await.unwrap();
    }
}

pub async fn until_somebody_waits(pool: &Pool<Db>) {
    let waiting = async {
        let waiters = "select count(*) from pg_locks join pg_database d on d.oid = database \
                       where locktype = 'advisory' and not granted \
                       and datname = current_database()";
        while sqlx::query_scalar::<_, i64>(waiters)
            .fetch_one(pool)
            .await
            .unwrap()
            == 0
        {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(30), waiting).await.unwrap();
}
