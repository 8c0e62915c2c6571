//! A record that another transaction has inserted but not committed.

use std::sync::Arc;

use axum::Router;
use idem_axum::Idempotency;
use idem_tests::http::Attempt;
use sqlx::{AssertSqlSafe, Pool, Transaction};

use super::support::app::{engine, once_it_is_over, payment};
use super::support::statements::app;
use super::{Db, RECORD, TestDb};

#[tokio::test]
async fn an_attempt_waits_a_limited_time_for_an_uncommitted_record_and_replays_it_later() {
    let (db, app, record) = start().await;
    let pay = refused(&app).await;
    assert_eq!(db.payments().await, 1);
    record.commit().await.unwrap();
    assert!(once_it_is_over(&pay, &app).await.is_replay());
    assert_eq!(db.payments().await, 1);
}

#[tokio::test]
async fn an_attempt_runs_once_an_uncommitted_record_is_rolled_back() {
    let (db, app, record) = start().await;
    let pay = refused(&app).await;
    record.rollback().await.unwrap();
    let paid = once_it_is_over(&pay, &app).await;
    assert_eq!((paid.status.as_u16(), paid.is_replay()), (201, false));
    assert_eq!(db.payments().await, 2);
}

pub async fn refused(app: &Router) -> Attempt {
    let pay = payment("/act-in-time").key("k");
    let refused = pay.send(app).await;
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(refused.header("retry-after").is_some());
    pay
}

async fn start() -> (TestDb, Router, Transaction<'static, Db>) {
    start_with(engine).await
}

/// One payment is made; its record is removed and inserted again in the open transaction.
pub async fn start_with(
    engine: impl AsyncFnOnce(&TestDb) -> Idempotency<Db>,
) -> (TestDb, Router, Transaction<'static, Db>) {
    let db = TestDb::new().await;
    let idem = engine(&db).await;
    let elsewhere: Pool<Db> = db.pool().await;
    let app = app(idem, Arc::default());
    let first = once_it_is_over(&payment("/act-in-time").key("k"), &app).await;
    assert_eq!(first.status, 201, "{first:?}");
    let aside = AssertSqlSafe(format!(
        "create table aside as select * from {RECORD}; delete from {RECORD}"
    ));
    sqlx::raw_sql(aside).execute(&elsewhere).await.unwrap();
    let mut record = elsewhere.begin_with("begin").await.unwrap();
    let insert = AssertSqlSafe(format!("insert into {RECORD} select * from aside"));
    sqlx::query(insert).execute(&mut *record).await.unwrap();
    (db, app, record)
}
