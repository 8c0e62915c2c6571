//! Session settings made by a handler or by Idem do not outlive the attempt.

use std::sync::Arc;

use axum::Router;
use idem_tests::http::Attempt;
use sqlx::Pool;

use super::session::{
    HANDLER_SETTINGS, LIMIT_NAMES, LIMITS, READ_ONLY, SETTINGS, SHORT_LIMIT, SLOW_COMPLETION,
    UNDONE_SETTINGS, limited,
};
use super::support::app::{engine, has_paid, payment, problem};
use super::support::statements::app;
use super::{Db, TestDb, idem_on};

#[tokio::test]
async fn settings_of_a_handler_do_not_break_its_completion() {
    let (db, pool, app) = start(&[]).await;
    let before = settings(&pool).await;
    for (key, sql) in HANDLER_SETTINGS.iter().enumerate() {
        let pay = acting(&key.to_string(), sql);
        let paid = pay.send(&app).await;
        assert!(has_paid(&paid), "{sql}: {paid:?}");
        assert_eq!(settings(&pool).await, before, "{sql}");
        assert!(pay.send(&app).await.is_replay(), "{sql}");
    }
    assert_ne!(db.payments().await, 0);
}

#[tokio::test]
async fn settings_of_a_failed_handler_are_undone() {
    let (db, pool, app) = start(&[]).await;
    let before = settings(&pool).await;
    for sql in UNDONE_SETTINGS {
        // A number is no text, which is the handler's own failure and not the transaction's.
        let failing = acting("k", sql).header("x-ask", "select 1");
        let failed = failing.send(&app).await;
        assert_eq!(failed.status, 409, "{failed:?}");
        assert_eq!(settings(&pool).await, before, "{sql}");
    }
    assert_eq!(db.payments().await, 0);
}

#[tokio::test]
async fn a_handlers_statement_limit_does_not_apply_to_its_completion() {
    let (db, pool, app) = start(&[]).await;
    sqlx::raw_sql(SLOW_COMPLETION).execute(&pool).await.unwrap();
    let paid = acting("k", SHORT_LIMIT).send(&app).await;
    assert!(has_paid(&paid), "{paid:?}");
    assert!(payment("/act").key("k").send(&app).await.is_replay());
    assert_eq!(db.payments().await, 1);
}

#[tokio::test]
async fn a_session_left_read_only_is_not_reused() {
    let (db, _, app) = start(&[]).await;
    let paid = acting("1", READ_ONLY).send(&app).await;
    assert!(has_paid(&paid), "{paid:?}");
    let refused = payment("/act").key("2").send(&app).await;
    assert_eq!(problem(&refused), (503, "store-unavailable".to_owned()));
    assert!(has_paid(&payment("/act").key("2").send(&app).await));
    assert_eq!(db.payments().await, 2);
}

/// The node knows the record, and reads it without a claim.
#[tokio::test]
async fn a_known_record_is_not_read_from_a_read_only_session() {
    let (db, pool, app) = start(&[]).await;
    let pay = payment("/act").key("k");
    assert!(has_paid(&pay.send(&app).await));
    sqlx::raw_sql(READ_ONLY).execute(&pool).await.unwrap();
    let refused = pay.send(&app).await;
    assert_eq!(problem(&refused), (503, "store-unavailable".to_owned()));
    assert!(pay.send(&app).await.is_replay());
    assert_eq!(db.payments().await, 1);
}

#[tokio::test]
async fn every_statement_and_idle_period_of_an_attempt_is_limited() {
    let [(_, bounds), _, _] = limited();
    let (_db, pool, app) = start(&[]).await;
    let before = settings(&pool).await;
    assert_eq!(limits(&app, "k").await, bounds);
    assert_eq!(settings(&pool).await, before);
}

#[tokio::test]
async fn a_shorter_limit_of_the_application_is_kept_and_a_longer_one_is_lowered() {
    for (limit, in_attempt) in &limited()[1..] {
        let session: Vec<_> = LIMIT_NAMES.iter().map(|name| (*name, *limit)).collect();
        let (_db, pool, app) = start(&session).await;
        let before = settings(&pool).await;
        assert_eq!(limits(&app, "k").await, *in_attempt);
        assert_eq!(settings(&pool).await, before);
    }
}

/// One connection, so that each attempt reuses the session of the last.
pub async fn start(session: &[(&str, &str)]) -> (TestDb, Pool<Db>, Router) {
    let db = TestDb::new().await;
    engine(&db).await.pool().close().await;
    let pool = db.pool_with(1, session).await;
    let app = app(idem_on(pool.clone()).build(), Arc::default());
    (db, pool, app)
}

pub fn acting(key: &str, sql: &str) -> Attempt {
    payment("/act").key(key).header("x-sql", sql)
}

pub async fn settings(pool: &Pool<Db>) -> String {
    sqlx::query_scalar(SETTINGS).fetch_one(pool).await.unwrap()
}

async fn limits(app: &Router, key: &str) -> String {
    let ask = payment("/act").key(key).header("x-ask", LIMITS);
    let answer = ask.send(app).await;
    assert!(has_paid(&answer), "{answer:?}");
    String::from_utf8(answer.body.to_vec()).unwrap()
}
