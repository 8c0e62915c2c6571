//! `migrate` and `check`.

use serde_json::json;
use sqlx::AssertSqlSafe;

use super::service::{Service, operate_at};
use super::{TABLES, TestDb};

#[tokio::test]
async fn migrate_says_what_is_missing_and_creates_it() {
    let db = TestDb::empty().await;
    let url = db.url();
    // To look changes nothing. On SQLite there is no file to look at yet.
    if !url.starts_with("sqlite") {
        let planned = operate_at(&url, &["migrate", "--dry-run"]).await.done();
        assert!(
            planned.contains("0001_record.sql, 0002_dead_letter.sql"),
            "{planned}"
        );
        assert!(planned.ends_with("nothing was changed\n"), "{planned}");
        let sql = operate_at(&url, &["migrate", "--sql"]).await.done();
        assert!(sql.contains("-- 0003_rollout.sql\n"), "{sql}");
        for table in ["record", "dead_letter", "rollout", "tombstone"] {
            let creates = |line: &str| {
                line.starts_with("create table if not exists")
                    && line.ends_with(&format!("{table} ("))
            };
            assert!(sql.lines().any(creates), "{table}: {sql}");
        }
        assert_eq!(operate_at(&url, &["check"]).await.code, 3);
    }
    let done = operate_at(&url, &["migrate"]).await.done();
    assert!(done.starts_with("missing: 0001_record.sql"), "{done}");
    assert!(done.ends_with("applied\n"), "{done}");
    assert_eq!(operate_at(&url, &["check"]).await.done(), "ready\n");
    let again = operate_at(&url, &["migrate"]).await.done();
    assert_eq!(again, "nothing is missing\n");
    let again = operate_at(&url, &["--json", "migrate"]).await.json();
    assert_eq!(again, [json!({"missing": [], "applied": true})]);
}

#[tokio::test]
async fn an_old_database_is_listed_and_brought_up_to_date() {
    let service = Service::start().await;
    service.store("acme", "POST /payments", "k", b"{}").await;
    let table = format!("{TABLES}rollout");
    let before = [
        format!("drop table {table}"),
        format!("delete from {TABLES}migration where version = 3"),
    ];
    for statement in before {
        let statement = sqlx::query(AssertSqlSafe(statement));
        statement.execute(service.idem.pool()).await.unwrap();
    }
    let checked = service.operate(&["--json", "check"]).await;
    assert_eq!(checked.code, 3, "{checked:?}");
    assert!(
        checked
            .out
            .starts_with("{\"ready\":false,\"missing\":[\"the table"),
        "{checked:?}"
    );
    assert!(checked.out.contains(&table), "{checked:?}");
    assert!(checked.err.contains("`migrate`"), "{checked:?}");
    // What needs nothing of it works.
    let listed = service.operate(&["records", "list"]).await.done();
    assert!(listed.contains("POST /payments"), "{listed}");
    let rollout = service.operate(&["rollout", "show"]).await.refused(1);
    assert!(
        rollout.contains(&table) && rollout.contains("`migrate`"),
        "{rollout}"
    );

    let planned = service.operate(&["--json", "migrate", "--dry-run"]).await;
    let missing = json!([{"version": 3, "name": "rollout"}]);
    assert_eq!(
        planned.json(),
        [json!({"missing": missing, "applied": false})]
    );
    let sql = service
        .operate(&["--json", "migrate", "--sql"])
        .await
        .json();
    assert_eq!(sql[0]["name"], "rollout");
    assert!(sql[0]["sql"].as_str().unwrap().contains("create table"));
    service.operate(&["migrate"]).await.done();
    assert_eq!(service.operate(&["check"]).await.done(), "ready\n");
    assert_eq!(service.operate(&["rollout", "show"]).await.done(), "");
}
