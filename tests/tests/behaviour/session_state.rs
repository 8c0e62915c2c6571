//! What a Postgres session is set to, by a handler or by Idem, does not outlive its attempt.

use std::sync::Arc;

use axum::Router;
use idem_axum::Idempotency;
use idem_tests::http::Attempt;
use sqlx::Pool;

use super::app::{engine, has_paid, payment, problem};
use super::statements::app;
use super::{Db, TestDb};

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
    for sql in [
        "set role pg_monitor; set search_path = ''",
        "set statement_timeout = '9s'; set session characteristics as transaction read only",
    ] {
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
    let slow = "create function idem.wait() returns trigger language plpgsql as
            $$ begin perform pg_sleep(0.6); return new; end $$;
        create trigger wait before insert on idem.record
            for each row execute function idem.wait()";
    sqlx::raw_sql(slow).execute(&pool).await.unwrap();
    let pay = acting("k", "set local statement_timeout = '300ms'");
    let paid = pay.send(&app).await;
    assert!(has_paid(&paid), "{paid:?}");
    assert_eq!(db.payments().await, 1);
}

#[tokio::test]
async fn a_session_that_was_left_read_only_is_not_used_again() {
    let (db, _, app) = start(&[]).await;
    let read_only = "set session characteristics as transaction read only";
    let paid = acting("1", read_only).send(&app).await;
    assert!(has_paid(&paid), "{paid:?}");
    let refused = payment("/act").key("2").send(&app).await;
    assert_eq!(problem(&refused), (503, "store-unavailable".to_owned()));
    assert!(has_paid(&payment("/act").key("2").send(&app).await));
    assert_eq!(db.payments().await, 2);
}

#[tokio::test]
async fn every_statement_and_every_idle_moment_of_an_attempt_is_bounded() {
    let (_db, pool, app) = start(&[]).await;
    let before = settings(&pool).await;
    assert_eq!(limits(&app, "k").await, "31s 35s");
    assert_eq!(settings(&pool).await, before);
}

#[tokio::test]
async fn a_shorter_limit_of_the_application_stays_and_a_longer_one_does_not() {
    let limit = |value| {
        [
            ("statement_timeout", value),
            ("idle_in_transaction_session_timeout", value),
        ]
    };
    for (set, in_attempt) in [("7s", "7s 7s"), ("7min", "31s 35s")] {
        let (_db, pool, app) = start(&limit(set)).await;
        let before = settings(&pool).await;
        assert_eq!(limits(&app, "k").await, in_attempt);
        assert_eq!(settings(&pool).await, before);
    }
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

/// All that was set, as the connection's next user finds it, but for what each BEGIN sets anew.
async fn settings(pool: &Pool<Db>) -> Vec<(String, String)> {
    sqlx::query_as(
        "select name, setting from pg_settings \
         where source = 'session' and name not like 'transaction\\_%' \
         union all select 'role', current_setting('role')",
    )
    .fetch_all(pool)
    .await
    .unwrap()
}

/// The time limits inside an attempt.
async fn limits(app: &Router, key: &str) -> String {
    let ask = "select current_setting('statement_timeout') || ' ' \
                   || current_setting('idle_in_transaction_session_timeout')";
    let answer = payment("/act")
        .key(key)
        .header("x-ask", ask)
        .send(app)
        .await;
    assert!(has_paid(&answer), "{answer:?}");
    String::from_utf8(answer.body.to_vec()).unwrap()
}

const HANDLER_SETTINGS: [&str; 7] = [
    "set local role pg_monitor",
    "set role pg_monitor",
    "set local search_path = ''",
    "set local default_transaction_read_only = on",
    "set local enable_seqscan = off",
    "set local lock_timeout = '1ms'",
    "set transaction read only",
];
