//! A handler times out while the database still runs its statement.

use std::sync::Arc;

use axum::Router;
use idem_axum::Backend;

use super::support::app::{engine, once_it_is_over, payment, problem};
use super::support::statements::app;
use super::{Db, ENDLESS, TestDb, idem_on};

#[tokio::test]
async fn a_statement_that_outlives_its_attempt_is_cancelled() {
    for endless in ENDLESS {
        let (db, app) = start().await;
        let pay = payment("/act-in-time").key("k");
        let stopped = pay.clone().header("x-sql", endless).send(&app).await;
        assert_eq!(problem(&stopped), (503, "timeout".to_owned()), "{endless}");
        assert!(stopped.header("retry-after").is_some());
        assert_eq!(db.payments().await, 0);
        let retry = once_it_is_over(&pay, &app).await;
        assert_eq!((retry.status.as_u16(), retry.is_replay()), (201, false));
        assert_eq!(db.payments().await, 1);
    }
}

#[tokio::test]
async fn a_statement_stops_when_no_other_connection_is_free_to_cancel_it() {
    // One of them turns its own limit off. Where a dropped statement costs its connection, the
    // server is told to end that too.
    let stops = |sql: &&&str| !Db::CANCEL_SAFE || !sql.starts_with("set");
    for endless in ENDLESS.iter().filter(stops) {
        let db = TestDb::new().await;
        engine(&db).await.pool().close().await;
        let app = app(idem_on(db.pool_of(1).await).build(), Arc::default());
        let pay = payment("/act-in-time").key("k");
        let stopped = pay.clone().header("x-sql", endless).send(&app).await;
        assert_eq!(problem(&stopped), (503, "timeout".to_owned()));
        assert_eq!(once_it_is_over(&pay, &app).await.status, 201, "{endless}");
        assert_eq!(db.payments().await, 1);
    }
}

#[tokio::test]
async fn a_handler_that_commits_and_then_takes_too_long_is_not_run_again() {
    let (db, app) = start().await;
    let pay = payment("/act-in-time").key("k");
    let sql = format!("commit; {}", ENDLESS[0]);
    let stopped = pay.clone().header("x-sql", &sql).send(&app).await;
    assert!(stopped.status.is_server_error(), "{stopped:?}");
    let kept = db.payments().await;
    let retry = once_it_is_over(&pay, &app).await;
    assert!(kept == 0 || retry.is_replay(), "{retry:?}");
    assert!(db.payments().await <= 1);
}

async fn start() -> (TestDb, Router) {
    let db = TestDb::new().await;
    let idem = engine(&db).await;
    (db, app(idem, Arc::default()))
}
