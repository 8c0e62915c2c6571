//! A partitioned table of records: rows of different partitions can have the same `ctid`.

use idem_axum::engine::Scope;

use super::TestDb;
use super::support::app::{app, engine, has_paid};
use idem_tests::http;
use serde_json::json;

#[tokio::test]
async fn sweeping_and_erasing_delete_only_the_right_rows_of_a_partitioned_table() {
    let db = TestDb::new().await;
    let idem = engine(&db).await;
    sqlx::raw_sql(PARTITIONED)
        .execute(idem.pool())
        .await
        .unwrap();
    let app = app(idem.clone());
    for tenant in 0..12 {
        let pay = http::post("/payments")
            .header("authorization", &format!("Bearer tenant-{tenant}"))
            .key("k")
            .json(&json!({ "amount": 5 }));
        assert!(has_paid(&pay.send(&app).await));
    }
    let expire = "update idem.record set expires_at = now() where scope in \
        ('tenant-0', 'tenant-1', 'tenant-2', 'tenant-3', 'tenant-4')";
    sqlx::query(expire).execute(idem.pool()).await.unwrap();
    assert_eq!(idem.sweep().await.unwrap(), 5);
    let scope = Scope::new("tenant-7").unwrap();
    assert_eq!(idem.erase(&scope, "test").await.unwrap(), 1);
    let left: i64 = sqlx::query_scalar("select count(*) from idem.record")
        .fetch_one(idem.pool())
        .await
        .unwrap();
    assert_eq!(left, 6);
}

const PARTITIONED: &str = "
    alter table idem.record rename to whole;
    create table idem.record (like idem.whole including all) partition by hash (scope);
    create table idem.record_0 partition of idem.record for values with (modulus 3, remainder 0);
    create table idem.record_1 partition of idem.record for values with (modulus 3, remainder 1);
    create table idem.record_2 partition of idem.record for values with (modulus 3, remainder 2)";
