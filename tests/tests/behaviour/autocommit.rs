//! Sessions whose every statement is inside of a transaction.

use super::app::{has_paid, payment};
use super::session_state::{settings, start};

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
