//! What an operator deletes is not refused afterwards.

use idem_axum::{Invalidated, RecordFilter, Scope};

use super::super::super::support::app::{app, has_paid, invalidate, payment, problem};
use super::{Late, TestDb, age_records, expired, refusing, tombstones};

#[tokio::test]
async fn invalidating_a_name_removes_its_tombstone_too() {
    let db = TestDb::new().await;
    let idem = refusing(&db).await;
    let app = app(idem.clone());
    let pay = payment("/payments").key("k");
    for is_swept in [false, true] {
        assert!(has_paid(&pay.send(&app).await), "{is_swept}");
        let name = idem
            .records(&RecordFilter::default(), None, 1)
            .await
            .unwrap()[0]
            .name
            .clone();
        age_records(idem.pool()).await;
        if is_swept {
            idem.sweep().await.unwrap();
        }
        assert_eq!(problem(&pay.send(&app).await), expired(), "{is_swept}");
        assert_eq!(invalidate(&idem, &name, "test").await, Invalidated::Gone);
        assert_eq!(invalidate(&idem, &name, "test").await, Invalidated::Absent);
        assert_eq!(tombstones(&idem).await, 0);
    }
    assert!(has_paid(&pay.send(&app).await));
}

#[tokio::test]
async fn erasing_a_scope_leaves_no_tombstone() {
    let Late {
        db: _db,
        idem,
        app,
        pay,
    } = Late::start().await;
    let scope = Scope::new("acme").unwrap();
    assert_eq!(idem.erase(&scope, "test").await.unwrap(), 1);
    idem.sweep().await.unwrap();
    assert_eq!(tombstones(&idem).await, 0);
    assert!(has_paid(&pay.send(&app).await));
}

/// A tombstone names no scope, so an erasure cannot find it.
#[tokio::test]
async fn a_tombstone_survives_the_erasure_of_its_scope() {
    let Late { db, idem, app, pay } = Late::start().await;
    assert_eq!(idem.sweep().await.unwrap(), 1);
    let scope = Scope::new("acme").unwrap();
    assert_eq!(idem.erase(&scope, "test").await.unwrap(), 0);
    assert_eq!(tombstones(&idem).await, 1);
    assert_eq!(problem(&pay.send(&app).await), expired());
    assert_eq!(db.payments().await, 1);
}
