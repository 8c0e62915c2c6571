//! A handler's statement violates a constraint of the application.

use std::sync::Arc;

use super::TestDb;
use super::support::app::{engine, has_paid, payment};
use super::support::statements::app;

#[tokio::test]
async fn a_handler_can_answer_its_own_unique_violation() {
    let db = TestDb::new().await;
    let idem = engine(&db).await;
    sqlx::raw_sql(TABLE).execute(idem.pool()).await.unwrap();
    let app = app(idem, Arc::default());
    let pay = payment("/act").key("k");
    let failed = pay.clone().header("x-sql", TWICE).send(&app).await;
    assert_eq!((failed.status.as_u16(), failed.body.len()), (409, 0));
    assert_eq!(db.payments().await, 0);
    assert!(has_paid(&pay.send(&app).await));
    assert_eq!(db.payments().await, 1);
}

const TWICE: &str =
    "insert into record (name) values ('a'); insert into record (name) values ('a')";

/// Has the same name as Idem's own table on Postgres.
const TABLE: &str = "create table record (name varchar(9) primary key)";
