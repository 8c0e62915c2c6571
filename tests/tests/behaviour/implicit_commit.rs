//! Statements that commit the transaction around them, as MySQL's manual lists them
//! ("Statements That Cause an Implicit Commit").

use std::sync::Arc;

use super::TestDb;
use super::app::{engine, payment, problem};
use super::statements::app;

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
