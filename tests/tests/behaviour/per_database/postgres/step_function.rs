//! The function of the claims and the records on Postgres is there, and callable.

use idem_axum::Idempotency;

use super::TestDb;
use super::support::app::engine;

#[tokio::test]
async fn check_names_the_missing_function_and_the_missing_grant() {
    let db = TestDb::new().await;
    let idem = engine(&db).await;
    let run = async |sql: &'static str| sqlx::raw_sql(sql).execute(idem.pool()).await.unwrap();
    run("revoke execute on function idem.step from public").await;
    let weak = Idempotency::new(db.pool_with(1, &[("role", "pg_monitor")]).await);
    let told = weak.check().await.unwrap_err().to_string();
    let cure = "grant execute on function idem.step to pg_monitor";
    assert!(told.contains(cure), "{told}");
    run("grant execute on function idem.step to public").await;
    let told = weak.check().await.unwrap_err().to_string();
    assert!(!told.contains("idem.step"), "{told}");
    run("drop function idem.step").await;
    let told = idem.check().await.unwrap_err().to_string();
    let cure = "the function idem.step is missing: run idem.migrate()";
    assert!(told.contains(cure), "{told}");
}
