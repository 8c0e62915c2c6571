//! What a storm of duplicates needs of each node: a slow effect, and who watches the pool meanwhile.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};
use sqlx::{Database, Pool};
use tokio::time;

use super::{Db, Failed, NewPayment, Payment, insert};
use crate::storm::{SLOW, Watched};

/// `GET /watch/{milliseconds}` watches for so long.
pub(super) fn watching_routes(pool: Pool<Db>) -> Router {
    Router::new()
        .route("/watch/{milliseconds}", get(watch))
        .with_state(pool)
}

/// Counts the runs, and stays in the transaction for a while.
pub(super) async fn insert_slowly(
    conn: &mut <Db as Database>::Connection,
    new: NewPayment,
) -> Result<Payment, Failed> {
    RUNS.fetch_add(1, Ordering::Relaxed);
    let payment = insert(conn, new).await?;
    time::sleep(SLOW).await;
    Ok(payment)
}

async fn watch(State(pool): State<Pool<Db>>, Path(milliseconds): Path<u64>) -> Json<Watched> {
    let end = Instant::now() + Duration::from_millis(milliseconds);
    let mut connections = 0;
    let before = RUNS.load(Ordering::Relaxed);
    while Instant::now() < end {
        let idle = u32::try_from(pool.num_idle()).unwrap_or(u32::MAX);
        connections = connections.max(pool.size().saturating_sub(idle));
        time::sleep(Duration::from_millis(1)).await;
    }
    let runs = RUNS.load(Ordering::Relaxed) - before;
    Json(Watched { runs, connections })
}

/// How often the slow handler has run in this process.
static RUNS: AtomicUsize = AtomicUsize::new(0);
