//! The application's own constraints, checked by a statement of its handler or by COMMIT.

use std::sync::Arc;

use axum::Router;
use idem_tests::http::Attempt;

use super::TestDb;
use super::app::{engine, payment, problem};
use super::statements::app;

#[tokio::test]
async fn a_constraint_that_refuses_the_commit_leaves_nothing() {
    let (db, app) = start().await;
    let failed = acting("insert into entry (account) values (7)")
        .send(&app)
        .await;
    assert_eq!(problem(&failed), (500, "not-committed".to_owned()));
    assert_eq!(db.payments().await, 0);
    runs_as_the_first(&db, &app).await;
}

#[tokio::test]
async fn a_row_that_exists_is_the_handlers_to_answer() {
    let (db, app) = start().await;
    let failed = acting(TWICE).send(&app).await;
    assert_eq!((failed.status.as_u16(), failed.body.len()), (409, 0));
    assert_eq!(db.payments().await, 0);
    runs_as_the_first(&db, &app).await;
}

async fn start() -> (TestDb, Router) {
    let db = TestDb::new().await;
    let idem = engine(&db).await;
    sqlx::raw_sql(TABLES).execute(idem.pool()).await.unwrap();
    (db, app(idem, Arc::default()))
}

fn acting(sql: &str) -> Attempt {
    payment("/act").key("k").header("x-sql", sql)
}

async fn runs_as_the_first(db: &TestDb, app: &Router) {
    let retry = payment("/act").key("k").send(app).await;
    assert_eq!((retry.status.as_u16(), retry.is_replay()), (201, false));
    assert_eq!(db.payments().await, 1);
}

const TWICE: &str = "insert into record (key) values ('a'); insert into record (key) values ('a')";

/// One has the name of Idem's own table on Postgres.
const TABLES: &str = "
    create table account (id integer primary key);
    create table entry (account integer not null
        references account (id) deferrable initially deferred);
    create table record (key text primary key)";
