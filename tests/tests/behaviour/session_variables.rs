//! What a session is set to, by a handler or by Idem, does not outlive its attempt.

use std::sync::Arc;

use axum::Router;
use idem_axum::{Idempotency, Scope};
use idem_tests::http::Attempt;
use sqlx::Pool;

use super::app::{Gate, engine, has_paid, payment};
use super::statements::app;
use super::{Db, TestDb, age_records};

#[tokio::test]
async fn settings_of_a_handler_do_not_break_its_completion() {
    let (db, pool, app) = start(&[]).await;
    let before = settings(&pool).await;
    for (key, sql) in HANDLER_SETTINGS.into_iter().enumerate() {
        let pay = acting(&key.to_string(), sql);
        let paid = pay.send(&app).await;
        assert!(has_paid(&paid), "{sql}: {paid:?}");
        assert_eq!(settings(&pool).await, before, "{sql}");
        assert!(pay.send(&app).await.is_replay(), "{sql}");
    }
    assert_ne!(db.payments().await, 0);
}

#[tokio::test]
async fn settings_of_a_handler_that_fails_are_undone() {
    let (db, pool, app) = start(&[]).await;
    let before = settings(&pool).await;
    for sql in HANDLER_SETTINGS {
        // A number is no text, which is the handler's own failure and not the transaction's.
        let failing = acting("k", sql).header("x-ask", "select 1");
        let failed = failing.send(&app).await;
        assert_eq!(failed.status, 409, "{failed:?}");
        assert_eq!(settings(&pool).await, before, "{sql}");
    }
    assert_eq!(db.payments().await, 0);
}

#[tokio::test]
async fn a_handlers_time_limit_is_none_for_its_completion() {
    let (db, pool, app) = start(&[]).await;
    let slow = "create trigger wait before insert on idem_record \
        for each row set new.status = if(sleep(1.5), 99, new.status)";
    sqlx::raw_sql(slow).execute(&pool).await.unwrap();
    let limit = "set /*M!100000 max_statement_time = 1 *//*!80000 max_execution_time = 1000 */";
    let paid = acting("k", limit).send(&app).await;
    assert!(has_paid(&paid), "{paid:?}");
    assert!(payment("/act").key("k").send(&app).await.is_replay());
    assert_eq!(db.payments().await, 1);
}

#[tokio::test]
async fn every_statement_and_every_idle_moment_of_an_attempt_is_bounded() {
    let (_db, pool, app) = start(&[]).await;
    let before = settings(&pool).await;
    assert_eq!(limits(&app, "k").await, "31 31 31 35");
    assert_eq!(settings(&pool).await, before);
}

#[tokio::test]
async fn a_shorter_limit_of_the_application_stays_and_a_longer_one_does_not() {
    for (set, in_attempt) in [("7", "7 7 7 7"), ("420", "31 31 31 35")] {
        let limits_of_session: Vec<_> = [
            "innodb_lock_wait_timeout",
            "lock_wait_timeout",
            "wait_timeout",
            STATEMENT_LIMIT,
        ]
        .into_iter()
        .map(|name| (name, set))
        .collect();
        let (_db, pool, app) = start(&limits_of_session).await;
        let before = settings(&pool).await;
        assert_eq!(limits(&app, "k").await, in_attempt);
        assert_eq!(settings(&pool).await, before);
    }
}

#[tokio::test]
async fn a_session_without_autocommit_stays_without_it() {
    let (db, pool, app) = start(&[("autocommit", "0")]).await;
    let before = settings(&pool).await;
    let pay = payment("/act").key("k");
    assert!(has_paid(&pay.send(&app).await));
    assert!(pay.send(&app).await.is_replay());
    assert_eq!(settings(&pool).await, before);
    assert_eq!(db.payments().await, 1);
}

#[tokio::test]
async fn what_a_session_without_autocommit_deletes_is_deleted() {
    let (db, pool, app) = start(&[("autocommit", "0")]).await;
    let idem = Idempotency::new(pool);
    let others = db.pool_of(1).await;
    let pay = payment("/act").key("k");
    assert!(has_paid(&pay.send(&app).await));
    assert_eq!(idem.erase(&Scope::new("acme").unwrap()).await.unwrap(), 1);
    assert_eq!(records(&others).await, 0);
    assert!(has_paid(&pay.send(&app).await));
    age_records(&others).await;
    assert_eq!(idem.sweep().await.unwrap(), 1);
    assert_eq!(records(&others).await, 0);
}

/// Such a session cannot write what is read committed: error 1665. MariaDB logs only when told to.
#[tokio::test]
async fn work_without_a_tx_is_recorded_where_statements_are_logged() {
    let (db, pool, _) = start(&[("binlog_format", "'statement'")]).await;
    let gate: Arc<Gate> = Arc::default();
    let app = app(Idempotency::new(pool), Arc::clone(&gate));
    gate.open.notify_one();
    let work = payment("/outside").key("k");
    let done = work.send(&app).await;
    assert!(has_paid(&done), "{done:?}");
    assert!(work.send(&app).await.is_replay());
    assert_eq!(records(&db.pool_of(1).await).await, 1);
}

async fn records(pool: &Pool<Db>) -> i64 {
    let count = "select count(*) from idem_record";
    sqlx::query_scalar(count).fetch_one(pool).await.unwrap()
}

/// One connection, so that each attempt gets the session of the last.
async fn start(session: &[(&str, &str)]) -> (TestDb, Pool<Db>, Router) {
    let db = TestDb::new().await;
    engine(&db).await.pool().close().await;
    let pool = db.pool_with(1, session).await;
    let app = app(Idempotency::new(pool.clone()), Arc::default());
    (db, pool, app)
}

fn acting(key: &str, sql: &str) -> Attempt {
    payment("/act").key(key).header("x-sql", sql)
}

/// What Idem sets, and the database, as the connection's next user finds them.
async fn settings(pool: &Pool<Db>) -> String {
    sqlx::query_scalar(
        "select concat_ws(' ', database(), @@autocommit, @@innodb_lock_wait_timeout, \
           @@lock_wait_timeout, @@wait_timeout, \
           /*M!100000 @@max_statement_time *//*!80000 @@max_execution_time */)",
    )
    .fetch_one(pool)
    .await
    .unwrap()
}

/// The time limits inside an attempt, in seconds.
async fn limits(app: &Router, key: &str) -> String {
    let ask = "select concat_ws(' ', @@innodb_lock_wait_timeout, @@lock_wait_timeout, \
        /*M!100000 round(@@max_statement_time) *//*!80000 @@max_execution_time div 1000 */, \
        @@wait_timeout)";
    let answer = payment("/act")
        .key(key)
        .header("x-ask", ask)
        .send(app)
        .await;
    assert!(has_paid(&answer), "{answer:?}");
    String::from_utf8(answer.body.to_vec()).unwrap()
}

const STATEMENT_LIMIT: &str = "/*M!100000 max_statement_time *//*!80000 max_execution_time */";

const HANDLER_SETTINGS: [&str; 5] = [
    "use mysql",
    "set innodb_lock_wait_timeout = 1, lock_wait_timeout = 1",
    "set wait_timeout = 1",
    "set /*M!100000 max_statement_time = 9 *//*!80000 max_execution_time = 9000 */",
    "set @idem_free = 0",
];
