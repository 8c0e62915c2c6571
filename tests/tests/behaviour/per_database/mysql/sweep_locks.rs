//! A sweep locks no expired record for a tombstone that none of them leaves.

use std::time::Duration;

use idem_tests::proxy::Proxy;

use super::support::app::{app, engine, has_paid, payment};
use super::{TestDb, age_records, idem_on, pool_at};

#[tokio::test]
async fn only_a_sweep_of_records_that_refuse_late_retries_locks_for_tombstones() {
    let db = TestDb::new().await;
    let plain = engine(&db).await;
    let hour = Duration::from_secs(3600);
    let refusing = idem_on(db.pool().await).refuse_late_retries(hour).build();
    let proxy = Proxy::to(&db.url()).await;
    let sweeper = idem_on(pool_at(proxy.url(), 2).await).build();
    for (idem, locks) in [(&plain, false), (&refusing, true)] {
        let app = app(idem.clone());
        assert!(has_paid(&payment("/payments").key("k").send(&app).await));
        age_records(idem.pool()).await;
        proxy.forget();
        assert_eq!(sweeper.sweep().await.unwrap(), 1);
        let statements = proxy.traffic().statements;
        let mut statements = statements.iter();
        let has_locked = statements.any(|text| text.contains("insert into idem_tombstone"));
        assert_eq!(has_locked, locks);
    }
}
