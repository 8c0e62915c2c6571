//! Idem's tables are created once, beside the application's own; an error names a missing one, and a sweep
//! waits for it.

use std::time::Duration;

use idem_axum::{CheckError, Idempotency};
use sqlx::{AssertSqlSafe, Pool};
use tokio::time::timeout;

use super::support::app::{app, engine, has_paid, payment};
use super::support::scripted_app::Node;
use super::{COPIED_SQL, Db, OBSTACLE, RECORD, TOMBSTONE, TestDb, age_records};

#[tokio::test(flavor = "multi_thread")]
async fn many_nodes_migrate_at_once() {
    let db = TestDb::new().await;
    let mut nodes = Vec::new();
    for _ in 0..8 {
        let idem = Idempotency::new(db.pool_of(1).await);
        nodes.push(tokio::spawn(async move {
            idem.migrate().await?;
            // Again, as a node does that restarts.
            idem.migrate().await
        }));
    }
    for node in nodes {
        node.await.unwrap().unwrap();
    }
    Idempotency::new(db.pool().await).check().await.unwrap();
}

#[tokio::test]
async fn a_failed_migration_does_not_block_the_next_one() {
    let db = TestDb::new().await;
    let idem = engine(&db).await;
    let [obstacle, removal] = OBSTACLE;
    let forget = format!("delete from {}", RECORD.replace("record", "migration"));
    let forget = sqlx::query(AssertSqlSafe(forget));
    forget.execute(idem.pool()).await.unwrap();
    // On one connection: on SQLite another one would still take the view for the table it was.
    let by_hand = db.pool_of(1).await;
    sqlx::raw_sql(obstacle).execute(&by_hand).await.unwrap();
    idem.migrate().await.unwrap_err();
    sqlx::raw_sql(removal).execute(&by_hand).await.unwrap();
    // The pool of the failed one stays open.
    let next = Idempotency::new(db.pool().await);
    let migrated = timeout(Duration::from_secs(20), next.migrate()).await;
    migrated.unwrap().unwrap();
    next.check().await.unwrap();
}

#[tokio::test]
async fn the_sql_can_be_run_by_hand() {
    let db = TestDb::new().await;
    let idem = Idempotency::new(db.pool().await);
    sqlx::raw_sql(COPIED_SQL)
        .execute(idem.pool())
        .await
        .unwrap();
    idem.check().await.unwrap();
    let pay = payment("/payments").key("k");
    assert_eq!(pay.send(&app(idem.clone())).await.status, 201);
    // Whoever changes over to `migrate` later keeps the records.
    idem.migrate().await.unwrap();
    assert!(pay.send(&app(idem)).await.is_replay());
}

#[tokio::test]
async fn migrations_are_pending_until_they_are_applied() {
    let db = TestDb::new().await;
    let idem = Idempotency::new(db.pool().await);
    let pending = async || {
        let pending = idem.pending_migrations().await.unwrap();
        let names = pending
            .iter()
            .map(|one| format!("{} {}", one.version, one.name));
        names.collect::<Vec<_>>()
    };
    let all = pending().await;
    assert_eq!(all[..3], ["1 record", "2 dead_letter", "3 rollout"]);
    // To ask changes nothing.
    assert_eq!(pending().await, all);
    idem.migrate().await.unwrap();
    assert_eq!(pending().await, [""; 0]);
    // Of a database that an older build has migrated.
    let marks = RECORD.replace("record", "migration");
    let forget = AssertSqlSafe(format!("delete from {marks} where version = 3"));
    sqlx::query(forget).execute(idem.pool()).await.unwrap();
    assert_eq!(pending().await, ["3 rollout"]);
    let texts = idem.pending_migrations().await.unwrap();
    assert!(texts[0].sql.contains("create table if not exists"));
    idem.migrate().await.unwrap();
    assert_eq!(pending().await, [""; 0]);
}

#[tokio::test]
async fn the_applications_own_migrations_are_not_touched() {
    let db = TestDb::new().await;
    let idem = Idempotency::new(db.pool().await);
    let own = sqlx::migrate::Migrator::with_migrations(Vec::new());
    own.run(idem.pool()).await.unwrap();
    idem.migrate().await.unwrap();
    own.run(idem.pool()).await.unwrap();
    let counted: i64 = sqlx::query_scalar("select count(*) from _sqlx_migrations")
        .fetch_one(idem.pool())
        .await
        .unwrap();
    assert_eq!(counted, 0);
}

#[tokio::test]
async fn check_names_the_missing_table_and_the_call_that_creates_it() {
    let db = TestDb::new().await;
    let idem = Idempotency::new(db.pool().await);
    let error = idem.check().await.unwrap_err();
    assert!(matches!(error, CheckError::NotReady(_)), "{error:?}");
    let text = error.to_string();
    assert!(
        text.contains(&format!("the table {RECORD} is missing")) && text.contains("idem.migrate()"),
        "{text}"
    );
}

/// An account that may write the tombstones of a record that cannot say until when it is refused.
#[tokio::test]
async fn check_names_the_columns_that_an_older_build_has_not_created() {
    let db = TestDb::new().await;
    let idem = engine(&db).await;
    for column in ["refused_until", "tombstone"] {
        let drop = AssertSqlSafe(format!("alter table {RECORD} drop column {column}"));
        sqlx::raw_sql(drop).execute(idem.pool()).await.unwrap();
        // SQLite: another connection sees the new schema.
        let text = idem.check().await.unwrap_err().to_string();
        assert!(
            text.contains(column) && text.contains("idem.migrate()"),
            "{text}"
        );
    }
}

/// The columns stand, and the rest of their migration does not, as when somebody ran it half by hand.
#[tokio::test]
async fn a_migration_whose_columns_exist_creates_what_is_missing_of_it() {
    let db = TestDb::new().await;
    let idem = engine(&db).await;
    let forget = AssertSqlSafe(format!(
        "drop table {TOMBSTONE}; delete from {} where version >= 4",
        RECORD.replace("record", "migration")
    ));
    sqlx::raw_sql(forget).execute(idem.pool()).await.unwrap();
    idem.check().await.unwrap_err();
    idem.migrate().await.unwrap();
    idem.check().await.unwrap();
    assert_eq!(idem.pending_migrations().await.unwrap(), []);
}

#[tokio::test]
async fn sweep_every_continues_after_a_failed_sweep() {
    let db = TestDb::new().await;
    // Its tables are not there yet.
    let idem = Idempotency::new(db.pool().await);
    assert!(idem.sweep().await.is_err());
    let sweeping = tokio::spawn({
        let idem = idem.clone();
        async move { idem.sweep_every(Duration::from_millis(1)).await }
    });
    let node = Node::start(&db).await;
    assert!(has_paid(&payment("/wait").key("k").send(&node.app()).await));
    age_records(node.idem.pool()).await;
    while records(node.idem.pool()).await > 0 {}
    idem.shutdown(Duration::from_secs(30)).await.unwrap();
    sweeping.await.unwrap();
}

async fn records(pool: &Pool<Db>) -> i64 {
    let count = AssertSqlSafe(format!("select count(*) from {RECORD}"));
    sqlx::query_scalar(count).fetch_one(pool).await.unwrap()
}
