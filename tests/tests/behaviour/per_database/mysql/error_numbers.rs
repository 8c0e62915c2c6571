//! A completion fails with one of the server's error numbers.

use std::sync::Arc;

use sqlx::AssertSqlSafe;

use super::TestDb;
use super::support::app::{engine, has_paid, payment, problem};
use super::support::statements::app;

/// Lock waits, deadlocks, conflicts of snapshots and nodes, cancelled statements, an error of the engine
/// and one during COMMIT, a node without its cluster or its group, a server that has become read-only.
const COLLISIONS: [u16; 12] = [
    1205, 1213, 1020, 1030, 1047, 1180, 1290, 1317, 1969, 3024, 3100, 3101,
];

#[tokio::test]
async fn a_completion_that_collides_gets_503_try_again() {
    for number in COLLISIONS {
        fails_to_complete(number, (503, "try-again")).await;
    }
}

/// A check constraint, an unknown column, a full disk.
#[tokio::test]
async fn a_completion_that_the_database_refuses_gets_500() {
    for (number, name) in [
        (3819, "commit-refused"),
        (1054, "commit-refused"),
        (1021, "not-committed"),
    ] {
        fails_to_complete(number, (500, name)).await;
    }
}

/// An attempt whose completion fails leaves nothing, and its retry runs.
async fn fails_to_complete(number: u16, expected: (u16, &str)) {
    let db = TestDb::new().await;
    let idem = engine(&db).await;
    let fail = format!(
        "create trigger fail before insert on idem_record for each row \
         signal sqlstate '45000' set mysql_errno = {number}"
    );
    let direct = db.pool_of(1).await;
    let fail = sqlx::raw_sql(AssertSqlSafe(fail));
    fail.execute(&direct).await.unwrap();
    let app = app(idem, Arc::default());
    let pay = payment("/act").key("k");
    let failed = pay.send(&app).await;
    let expected = (expected.0, expected.1.to_owned());
    assert_eq!(problem(&failed), expected, "{number}");
    let comes_again = expected.1 != "commit-refused";
    assert_eq!(failed.header("retry-after").is_some(), comes_again);
    assert_eq!(db.payments().await, 0, "{number}");
    let mend = sqlx::raw_sql("drop trigger fail");
    mend.execute(&direct).await.unwrap();
    assert!(has_paid(&pay.send(&app).await), "{number}");
    assert!(pay.send(&app).await.is_replay());
    assert_eq!(db.payments().await, 1);
}
