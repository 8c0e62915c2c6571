//! Statements that commit the transaction around them, as MySQL's manual lists them
//! ("Statements That Cause an Implicit Commit").

use std::sync::Arc;

use idem_axum::engine::MessageOutcome;
use sqlx::Executor;

use super::gate::{Gate, WAIT, until_somebody_waits};
use super::inbox::batches::{messages, process};
use super::inbox::delivery::{pay, start};
use super::support::app::{engine, has_paid, payment, problem};
use super::support::statements::app;
use super::{TestDb, age_records};

#[tokio::test]
async fn a_handler_that_changes_the_schema_is_not_run_again() {
    for statement in [
        "create table extra (id bigint)",
        "alter table payment comment = 'extra'",
        "truncate table idem_record",
        "set autocommit = 1",
        "begin",
        "lock tables payment write",
    ] {
        let db = TestDb::new().await;
        let app = app(engine(&db).await, Arc::default());
        let pay = payment("/act").key("k");
        let broken = pay.clone().header("x-sql", statement).send(&app).await;
        let told = (500, "transaction-broken".to_owned());
        assert_eq!(problem(&broken), told, "{statement}");
        assert_eq!(db.payments().await, 1, "{statement}");
        let retry = pay.send(&app).await;
        assert!(retry.is_replay(), "{statement} {retry:?}");
        assert_eq!(retry.status, 500, "{statement}");
        assert_eq!(db.payments().await, 1, "{statement}");
    }
}

#[tokio::test]
async fn a_schema_change_in_a_batch_parks_its_message_and_those_before_it() {
    let (db, inbox) = start().await;
    let polled = messages(&["m1", "alters", "m2"]);
    let mut batch = inbox.process_batch("billing", polled).unwrap();
    while let Some(mut message) = batch.next().await.unwrap() {
        pay(&mut message.tx()).await.unwrap();
        if message.index() == 1 {
            let alter = "alter table payment comment = 'extra'";
            message.tx().execute(alter).await.unwrap();
        }
        message.done();
    }
    let outcomes = batch.finish().await.unwrap();
    let parked = MessageOutcome::Failed {
        attempts: 1,
        is_parked: true,
    };
    assert_eq!(outcomes, [parked, parked, MessageOutcome::First]);
    use MessageOutcome::{Duplicate, Parked};
    let again = process(&inbox, &["m1", "alters", "m2"]).await;
    assert_eq!(again, [Parked, Parked, Duplicate]);
    assert_eq!(db.payments().await, 3);
}

/// A lock timeout does not always roll back earlier statements.
#[tokio::test]
async fn a_schema_change_that_times_out_on_a_lock_is_not_run_again() {
    let db = TestDb::new().await;
    let app = app(engine(&db).await, Arc::default());
    let pool = db.pool_of(1).await;
    let mut reader = pool.begin_with("begin").await.unwrap();
    reader.execute("select 1 from idem_record").await.unwrap();
    let pay = payment("/act").key("k");
    let sql = "set lock_wait_timeout = 1; alter table idem_record comment = 'extra'";
    let broken = pay.clone().header("x-sql", sql).send(&app).await;
    let told = (500, "transaction-broken".to_owned());
    assert_eq!(problem(&broken), told);
    assert_eq!(db.payments().await, 1);
    let retry = pay.send(&app).await;
    assert!(retry.is_replay() && retry.status == 500, "{retry:?}");
    assert_eq!(db.payments().await, 1);
}

/// A lock ends with its session, which may take a while.
#[tokio::test]
async fn the_terminal_response_is_stored_while_the_lock_is_still_held() {
    let db = TestDb::new().await;
    let app = app(engine(&db).await, Arc::default());
    let pool = db.pool_of(3).await;
    let pay = payment("/act").key("k");
    let paid = pay
        .clone()
        .header("x-ask", "select @idem_lock")
        .send(&app)
        .await;
    assert!(has_paid(&paid), "{paid:?}");
    age_records(&pool).await;

    let mut gate = Gate::shut(&pool).await;
    let breaking = format!("commit; do release_lock(@idem_lock); {WAIT}");
    let broken = tokio::spawn({
        let (pay, app) = (pay.clone().header("x-sql", &breaking), app.clone());
        async move { pay.send(&app).await }
    });
    until_somebody_waits(&pool).await;
    let mut holder = pool.acquire().await.unwrap();
    let hold = sqlx::query_scalar("select get_lock(?, 0)").bind(paid.body.as_ref());
    let held: i64 = hold.fetch_one(&mut *holder).await.unwrap();
    assert_eq!(held, 1);
    gate.open().await;
    let told = (500, "transaction-broken".to_owned());
    assert_eq!(problem(&broken.await.unwrap()), told);
    let retry = pay.send(&app).await;
    assert!(retry.is_replay() && retry.status == 500, "{retry:?}");
    holder.execute("do release_all_locks()").await.unwrap();
    assert_eq!(db.payments().await, 2);
}
