//! A sweep leaves tombstones, beside claims, other sweeps and its own death.

use idem_axum::Idempotency;
use idem_tests::a_moment;
use sqlx::Executor;

use super::super::super::support::app::{app, has_paid, payment, problem};
use super::super::super::support::scripted_app::send;
use super::{
    Db, LOCK_RECORDS, Late, RECORD, TOMBSTONE, TestDb, WAITS_FOR_RECORDS, age_records,
    end_refusals, expired, refusing, tombstones,
};

#[tokio::test]
async fn a_record_whose_refusal_is_over_leaves_no_tombstone() {
    let Late { db: _db, idem, .. } = Late::start().await;
    end_refusals(idem.pool()).await;
    assert_eq!(idem.sweep().await.unwrap(), 1);
    assert_eq!(tombstones(&idem).await, 0);
}

#[tokio::test]
async fn duplicates_of_a_late_retry_are_refused_together() {
    let db = TestDb::new().await;
    let idem = refusing(&db).await;
    let app = app(idem.clone());
    let pay = payment("/waiting").key("k");
    assert!(has_paid(&pay.send(&app).await));
    age_records(idem.pool()).await;
    let late: Vec<_> = (0..10).map(|_| send(&app, pay.clone())).collect();
    for late in late {
        assert_eq!(problem(&late.await.unwrap()), expired());
    }
    assert_eq!(db.payments().await, 1);
}

/// What a sweep does in its first statement.
fn write_tombstones() -> sqlx::AssertSqlSafe<String> {
    sqlx::AssertSqlSafe(format!(
        "insert into {TOMBSTONE} (digest, expires_at) select tombstone, refused_until from {RECORD}"
    ))
}

#[tokio::test]
async fn a_sweep_that_died_between_its_two_statements_is_finished_by_the_next() {
    let Late {
        db: _db,
        idem,
        app,
        pay,
    } = Late::start().await;
    idem.pool()
        .execute(sqlx::raw_sql(write_tombstones()))
        .await
        .unwrap();
    assert_eq!(problem(&pay.send(&app).await), expired());
    assert_eq!(idem.sweep().await.unwrap(), 1);
    assert_eq!(tombstones(&idem).await, 1);
    assert_eq!(problem(&pay.send(&app).await), expired());
}

/// The claim looks at the record when the sweep has it locked, and sees what the sweep has left.
#[tokio::test]
async fn a_claim_that_meets_a_sweep_sees_the_record_or_its_tombstone() {
    let Late { db, idem, app, pay } = Late::start().await;
    let [lock, unlock] = LOCK_RECORDS;
    let mut sweeper = idem.pool().acquire().await.unwrap();
    sweeper.execute(sqlx::raw_sql(lock)).await.unwrap();
    let late = send(&app, pay.clone());
    while !waits(&idem).await {
        a_moment().await;
    }
    sweeper
        .execute(sqlx::raw_sql(write_tombstones()))
        .await
        .unwrap();
    let delete = sqlx::AssertSqlSafe(format!("delete from {RECORD}"));
    sweeper.execute(sqlx::raw_sql(delete)).await.unwrap();
    sweeper.execute(sqlx::raw_sql(unlock)).await.unwrap();
    drop(sweeper);
    assert_eq!(problem(&late.await.unwrap()), expired());
    assert_eq!(problem(&pay.send(&app).await), expired());
    assert_eq!(db.payments().await, 1);
}

async fn waits(idem: &Idempotency<Db>) -> bool {
    sqlx::query_scalar(WAITS_FOR_RECORDS)
        .fetch_one(idem.pool())
        .await
        .unwrap()
}

#[tokio::test]
async fn sweeping_nodes_write_each_tombstone_once() {
    let db = TestDb::new().await;
    let nodes = [
        refusing(&db).await,
        refusing(&db).await,
        refusing(&db).await,
    ];
    let app = app(nodes[0].clone());
    for key in 0..20 {
        assert!(has_paid(
            &payment("/payments").key(&key.to_string()).send(&app).await
        ));
    }
    age_records(nodes[0].pool()).await;
    let sweeps = nodes
        .clone()
        .map(|idem| tokio::spawn(async move { idem.sweep().await }));
    let mut swept = 0;
    for sweep in sweeps {
        swept += sweep.await.unwrap().unwrap();
    }
    // One that was locked each time is left to the next sweep.
    swept += nodes[0].sweep().await.unwrap();
    assert_eq!((swept, tombstones(&nodes[0]).await), (20, 20));
}
