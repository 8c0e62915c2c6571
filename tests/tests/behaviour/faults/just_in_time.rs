//! An attempt that ends at its deadline still has time to be stored.

use std::time::Duration;

use idem_axum::Idempotency;
use idem_axum::engine::{Claim, Completed, Completion, Effects, Engine, Error};

use super::cancellation::{attempt, fresh, pay};
use super::support::app::engine;
use super::support::paused_time::passes_until;
use super::{Db, TestDb, idem_on};

#[tokio::test]
async fn an_attempt_that_ends_at_its_deadline_is_stored_with_its_writes() {
    let db = TestDb::new().await;
    let idem = engine(&db).await;
    let mut attempt = fresh(&idem, "k").await;
    pay(&mut attempt).await;
    passes_until(attempt.deadline() + A_MOMENT).await;
    let complete = attempt.complete(Completion::default(), Effects::Keep, Completion::default);
    let ended = complete.await;
    assert!(matches!(ended, Ok(Completed::Committed)), "{ended:?}");
    a_retry_is_replayed(&db).await;
    assert_eq!(db.payments().await, 1);
}

#[tokio::test]
async fn an_attempt_without_a_tx_that_ends_at_its_deadline_is_stored() {
    let db = TestDb::new().await;
    let idem = engine(&db).await;
    let claim = idem.claim_without_tx(attempt("k")).await.unwrap();
    let Claim::Fresh(attempt) = claim else {
        panic!("{claim:?}")
    };
    passes_until(attempt.deadline() + A_MOMENT).await;
    let ended = attempt
        .complete(Completion::default(), Completion::default)
        .await;
    assert!(matches!(ended, Ok(Completed::Committed)), "{ended:?}");
    a_retry_is_replayed(&db).await;
}

#[tokio::test]
async fn an_attempt_that_ends_its_transaction_at_its_deadline_is_not_run_again() {
    let db = TestDb::new().await;
    let idem = engine(&db).await;
    let mut attempt = fresh(&idem, "k").await;
    let end = sqlx::raw_sql("rollback");
    end.execute(&mut *attempt.tx()).await.unwrap();
    passes_until(attempt.deadline() + A_MOMENT).await;
    let complete = attempt.complete(Completion::default(), Effects::Keep, Completion::default);
    let ended = complete.await;
    assert!(matches!(ended, Err(Error::TransactionBroken)), "{ended:?}");
    a_retry_is_replayed(&db).await;
}

/// On another node, which has to find the record in the database.
async fn a_retry_is_replayed(db: &TestDb) {
    let other: Idempotency<Db> = idem_on(db.pool_of(1).await).build();
    let retry = other.claim(attempt("k")).await.unwrap();
    assert!(matches!(retry, Claim::Replay(_)), "{retry:?}");
}

/// More than a timer tick, so that a limit at the deadline itself has passed.
const A_MOMENT: Duration = Duration::from_millis(100);
