//! Two processes on one SQLite file, and work without a transaction that would exclude the other.

use std::env;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::str::FromStr;

use axum::Router;
use idem_axum::Idempotency;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};

use super::TestDb;
use super::http::without_tx::{app, then};
use super::support::app::{engine, has_paid, problem};

#[tokio::test]
async fn work_without_a_tx_excludes_the_same_work_of_another_process() {
    let db = TestDb::new().await;
    engine(&db).await;
    let (mine, gate) = app(Idempotency::new(db.pool().await));
    // Another handle shares no more with this one than one of another process does.
    let (other, _) = app(Idempotency::new(db.pool().await));
    let running = tokio::spawn(async move { then("gate").send(&mine).await });
    gate.entered.notified().await;
    let duplicate = then("gate").send(&other).await;
    assert_eq!(problem(&duplicate), (409, "in-flight".to_owned()));
    assert!(has_paid(&then_by("k2").send(&other).await));
    gate.open.notify_one();
    let first = running.await.unwrap();
    assert!(has_paid(&first), "{first:?}");
    let retry = then("gate").send(&other).await;
    assert!(retry.is_replay(), "{retry:?}");
    assert_eq!(db.payments().await, 2);
}

/// The test starts its own program as the other process; this variable names the database to use.
const CHILD: &str = "IDEM_TEST_WORKS_ON";

#[tokio::test]
async fn a_process_killed_during_work_without_a_tx_blocks_nobody() {
    match env::var(CHILD) {
        Ok(url) => work_for_ever(&url).await,
        Err(_) => kill_at_work().await,
    }
}

async fn kill_at_work() {
    let db = TestDb::new().await;
    engine(&db).await;
    let mut child = start_child(&db.url());
    let (app, _) = app(Idempotency::new(db.pool().await));
    let duplicate = then("gate").send(&app).await;
    assert_eq!(problem(&duplicate), (409, "in-flight".to_owned()));
    child.kill().unwrap();
    child.wait().unwrap();
    // What the other process did is there, and nobody knows: as after any crash.
    assert!(has_paid(&then_by("k").send(&app).await));
    assert_eq!(db.payments().await, 2);
}

fn start_child(url: &str) -> Child {
    let test = std::thread::current().name().unwrap().to_owned();
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", &test, "--nocapture"])
        .env(CHILD, url)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().ends_with(AT_WORK)));
    child
}

#[expect(clippy::print_stdout, reason = "the parent reads it")]
async fn work_for_ever(url: &str) {
    let options = SqliteConnectOptions::from_str(url).unwrap();
    let pool = SqlitePoolOptions::new().connect_with(options).await;
    let (app, gate): (Router, _) = app(Idempotency::new(pool.unwrap()));
    let work = then("gate");
    let working = work.send(&app);
    let at_gate = async {
        gate.entered.notified().await;
        println!("{AT_WORK}");
    };
    tokio::join!(working, at_gate);
}

/// The same operation with this key, without a gate.
fn then_by(key: &str) -> idem_tests::http::Attempt {
    super::support::app::payment("/pool").key(key)
}

const AT_WORK: &str = "at work";
