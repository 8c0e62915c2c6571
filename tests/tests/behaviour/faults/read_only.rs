//! The database can be read but not written: a standby, or a file opened for reading.

use std::sync::Arc;
use std::time::Duration;

use idem_axum::Idempotency;
use idem_tests::http::Answer;
use tokio::time::timeout;

use super::support::app::{Gate, app, engine, payment, problem};
use super::support::statements;
use super::{TestDb, idem_on};

#[tokio::test]
async fn an_attempt_on_a_read_only_database_does_not_run() {
    let (_db, idem) = start().await;
    let app = app(idem);
    // With a key and without one: this handler writes through its `Tx`.
    is_refused(&payment("/payments").key("k").send(&app).await);
    is_refused(&payment("/optional").send(&app).await);
}

#[tokio::test]
async fn an_attempt_without_a_tx_on_a_read_only_database_does_not_run() {
    let (_db, idem) = start().await;
    let gate = Arc::<Gate>::default();
    let app = statements::app(idem, Arc::clone(&gate));
    gate.open.notify_one();
    is_refused(&payment("/outside").key("k").send(&app).await);
    let entered = timeout(Duration::ZERO, gate.entered.notified()).await;
    assert!(entered.is_err(), "the handler ran");
}

async fn start() -> (TestDb, Idempotency<super::Db>) {
    let db = TestDb::new().await;
    engine(&db).await;
    let idem = idem_on(db.read_only_pool().await).build();
    (db, idem)
}

fn is_refused(answer: &Answer) {
    assert_eq!(problem(answer), (503, "store-unavailable".to_owned()));
    assert!(answer.header("retry-after").is_some());
}
