//! SQLite admits one writer at a time, by locks on its file.

use std::str::FromStr;
use std::time::Duration;

use idem_axum::Idempotency;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};

use super::TestDb;
use super::support::app::{app, engine, payment, problem};

#[tokio::test]
async fn a_read_only_file_still_replays() {
    let db = TestDb::new().await;
    let pay = payment("/payments").key("k");
    let paid = pay.send(&app(engine(&db).await)).await;
    let reading = app(Idempotency::new(db.read_only_pool().await));
    let retry = pay.send(&reading).await;
    assert!(retry.is_replay(), "{retry:?}");
    assert_eq!(retry.body, paid.body);
}

#[tokio::test]
async fn a_claim_blocked_by_another_process_gets_503_try_again() {
    let db = TestDb::new().await;
    engine(&db).await.pool().close().await;
    let app = app(Idempotency::new(db.impatient_pool().await));
    let other = db.pool().await;
    let writer = other.begin_with("begin immediate").await.unwrap();
    let pay = payment("/payments").key("k");
    let refused = pay.send(&app).await;
    assert_eq!(problem(&refused), (503, "try-again".to_owned()));
    assert!(refused.header("retry-after").is_some());
    writer.rollback().await.unwrap();
    assert_eq!(pay.send(&app).await.status, 201);
    assert_eq!(db.payments().await, 1);
}

#[tokio::test]
async fn a_commit_blocked_by_a_reader_gets_503_try_again() {
    let db = TestDb::new().await;
    engine(&db).await.pool().close().await;
    // Without a write-ahead log nobody may read while a COMMIT writes.
    let options = SqliteConnectOptions::from_str(&db.url()).unwrap();
    let options = options.journal_mode(SqliteJournalMode::Delete);
    let pool = SqlitePoolOptions::new().connect_with(options.busy_timeout(Duration::ZERO));
    let pool = pool.await.unwrap();
    let app = app(Idempotency::new(pool.clone()));
    let mut reader = pool.begin_with("begin").await.unwrap();
    let reads = sqlx::query("select * from payment");
    reads.fetch_all(&mut *reader).await.unwrap();
    let pay = payment("/payments").key("k");
    let refused = pay.send(&app).await;
    assert_eq!(problem(&refused), (503, "try-again".to_owned()));
    reader.rollback().await.unwrap();
    let retry = pay.send(&app).await;
    assert_eq!((retry.status.as_u16(), retry.is_replay()), (201, false));
    let paid: i64 = sqlx::query_scalar("select count(*) from payment")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(paid, 1);
}
