//! The application's account has no privileges but those on its rows.

use std::sync::Arc;

use super::support::app::{engine, has_paid, payment};
use super::support::statements::app;
use super::{TestDb, idem_on};

#[tokio::test]
async fn an_account_that_may_only_read_and_write_rows_is_enough() {
    let db = TestDb::new().await;
    engine(&db).await;
    let idem = idem_on(db.unprivileged_pool().await).build();
    idem.check().await.unwrap();
    let app = app(idem.clone(), Arc::default());
    let pay = payment("/act").key("k");
    let paid = pay.send(&app).await;
    assert!(has_paid(&paid), "{paid:?}");
    assert!(pay.send(&app).await.is_replay());
    let undone = payment("/act")
        .key("undone")
        .header("x-sql", "no statement");
    assert_eq!(undone.send(&app).await.status, 409);
    assert_eq!(db.payments().await, 1);
    idem.sweep().await.unwrap();
}
