//! The functions of the claims and the records on Postgres are there, and callable.

use idem_axum::Idempotency;

use super::TestDb;
use super::support::app::engine;

#[tokio::test]
async fn check_names_the_missing_function_and_the_missing_grant() {
    let db = TestDb::new().await;
    let idem = engine(&db).await;
    let weak = Idempotency::new(db.pool_with(1, &[("role", "pg_monitor")]).await);
    let run = async |sql: String| {
        let sql = sqlx::AssertSqlSafe(sql);
        sqlx::raw_sql(sql).execute(idem.pool()).await.unwrap();
    };
    for function in ["idem.step", "idem.enter", "idem.leave"] {
        run(format!("revoke execute on function {function} from public")).await;
        let told = weak.check().await.unwrap_err().to_string();
        let cure = format!("grant execute on function {function} to pg_monitor");
        assert!(told.contains(&cure), "{told}");
        run(format!("grant execute on function {function} to public")).await;
        let told = weak.check().await.unwrap_err().to_string();
        assert!(!told.contains(function), "{told}");
        run(format!("drop function {function}")).await;
        let told = idem.check().await.unwrap_err().to_string();
        let cure = format!("the function {function} is missing: run idem.migrate()");
        assert!(told.contains(&cure), "{told}");
    }
}
