//! A constraint of the application that COMMIT checks. MySQL has none: it checks each at once.

use std::sync::Arc;

use super::TestDb;
use super::support::app::{engine, has_paid, payment, problem};
use super::support::statements::app;

#[tokio::test]
async fn a_deferred_constraint_that_refuses_the_commit_leaves_nothing() {
    let db = TestDb::new().await;
    let idem = engine(&db).await;
    sqlx::raw_sql(TABLES).execute(idem.pool()).await.unwrap();
    let app = app(idem, Arc::default());
    let pay = payment("/act").key("k");
    let failing = "insert into entry (account) values (7)";
    let failed = pay.clone().header("x-sql", failing).send(&app).await;
    assert_eq!(problem(&failed), (500, "commit-refused".to_owned()));
    assert_eq!(failed.header("retry-after"), None, "it would fail again");
    assert_eq!(db.payments().await, 0);
    assert!(has_paid(&pay.send(&app).await));
    assert_eq!(db.payments().await, 1);
}

const TABLES: &str = "
    create table account (id integer primary key);
    create table entry (account integer not null
        references account (id) deferrable initially deferred)";
