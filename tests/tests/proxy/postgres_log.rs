//! The log of a Postgres in our container.

use super::TestDb;

#[tokio::test]
#[cfg_attr(
    idem_no_server_log,
    ignore = "the log of a server of IDEM_TEST_POSTGRES_URL cannot be read"
)]
async fn the_server_log_tells_of_a_refused_statement() {
    let db = TestDb::new().await;
    let missing = format!("missing_of_{}", std::process::id());
    let select = sqlx::AssertSqlSafe(format!("select * from {missing}"));
    sqlx::query(select)
        .execute(&db.pool().await)
        .await
        .unwrap_err();
    assert!(db.server_log().await.contains(&missing));
}
