//! A standby may lag behind its primary. SQLite has only one file.

use idem_tests::log::Log;

use super::support::app::{app, engine, payment, problem};
use super::{TestDb, idem_on};

#[tokio::test]
async fn a_standby_replays_nothing() {
    let db = TestDb::new().await;
    let primary = app(engine(&db).await);
    let standby = app(idem_on(db.read_only_pool().await).build());
    let log = Log::shared();
    let pay = payment("/payments").key("k");
    assert_eq!(pay.send(&primary).await.status, 201);
    let refused = pay.send(&standby).await;
    assert_eq!(problem(&refused), (503, "store-unavailable".to_owned()));
    assert!(refused.header("retry-after").is_some());
    assert!(log.text().contains("the idempotency store is read-only"));
    assert!(pay.send(&primary).await.is_replay());
}
