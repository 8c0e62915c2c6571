//! A gate at which statements wait for a test.

use std::time::Duration;

use idem_tests::a_moment;
use sqlx::pool::PoolConnection;
use sqlx::{AssertSqlSafe, Executor, Pool};
use tokio::time::timeout;

use super::{Db, SESSIONS};

/// Waits while the gate is shut.
pub const WAIT: &str = "do get_lock(concat('test of ', database()), 20), \
    release_lock(concat('test of ', database()))";

/// The gate of one database.
pub struct Gate(PoolConnection<Db>);

impl Gate {
    pub async fn shut(pool: &Pool<Db>) -> Self {
        let mut conn = pool.acquire().await.unwrap();
        let shut = "do get_lock(concat('test of ', database()), 0)";
        conn.execute(shut).await.unwrap();
        Self(conn)
    }

    pub async fn open(&mut self) {
        let open = "do release_lock(concat('test of ', database()))";
        self.0.execute(open).await.unwrap();
    }
}

pub async fn until_somebody_waits(pool: &Pool<Db>) {
    until_somebody(pool, "state = 'User lock'").await;
}

/// Returns when a statement that starts like this runs.
pub async fn until_somebody_runs(pool: &Pool<Db>, statement: &str) {
    until_somebody(pool, &format!("info like '{statement}%'")).await;
}

async fn until_somebody(pool: &Pool<Db>, is: &str) {
    let count = format!(
        "select count(*) from {SESSIONS} \
         where db = database() and id <> connection_id() and {is}"
    );
    let there = async {
        while sqlx::query_scalar::<_, i64>(AssertSqlSafe(count.as_str()))
            .fetch_one(pool)
            .await
            .unwrap()
            == 0
        {
            a_moment().await;
        }
    };
    timeout(Duration::from_secs(30), there).await.unwrap();
}
