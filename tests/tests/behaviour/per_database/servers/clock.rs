//! Only the database's clock decides whether a record has expired.

use super::support::app::{app, engine, has_paid, payment};
use super::{A_DAY_AND_AN_HOUR_LATER, TestDb, idem_on};

#[tokio::test]
async fn a_record_expires_by_the_clock_of_the_database() {
    let db = TestDb::new().await;
    let idem = engine(&db).await;
    let (setup, settings) = A_DAY_AND_AN_HOUR_LATER;
    sqlx::raw_sql(setup).execute(idem.pool()).await.unwrap();
    let later = db.pool_with(5, &[settings]).await;
    let (today, tomorrow) = (app(idem.clone()), app(idem_on(later.clone()).build()));
    let pay = payment("/payments").key("k");
    assert!(has_paid(&pay.send(&today).await));
    assert!(pay.send(&today).await.is_replay());
    assert_eq!(idem.sweep().await.unwrap(), 0);
    // The record is good for a day.
    assert!(has_paid(&pay.send(&tomorrow).await));
    assert!(pay.send(&tomorrow).await.is_replay());
    assert_eq!(db.payments().await, 2);
    let old = payment("/payments").key("old");
    assert!(has_paid(&old.send(&today).await));
    assert_eq!(idem_on(later).build().sweep().await.unwrap(), 1);
    assert!(pay.send(&tomorrow).await.is_replay());
}
