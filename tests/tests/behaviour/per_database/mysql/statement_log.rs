//! A server with statement-based binary logging refuses writes at READ COMMITTED: error 1665.

use std::sync::Arc;

use idem_axum::Idempotency;

use super::TestDb;
use super::support::app::{Gate, engine, has_paid, payment};
use super::support::statements::app;

#[tokio::test]
async fn work_without_a_tx_is_recorded_under_statement_based_binary_logging() {
    let db = TestDb::new().await;
    engine(&db).await;
    let pool = db.pool_with(1, &[("binlog_format", "'statement'")]).await;
    let gate: Arc<Gate> = Arc::default();
    let app = app(Idempotency::new(pool), Arc::clone(&gate));
    gate.open.notify_one();
    let work = payment("/outside").key("k");
    let done = work.send(&app).await;
    assert!(has_paid(&done), "{done:?}");
    assert!(work.send(&app).await.is_replay());
}
