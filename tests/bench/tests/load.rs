//! The command for a load, for a moment and at a low rate: processes of their own over one server.
#![allow(clippy::panic, clippy::unwrap_used, reason = "tests")]
#![cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]

use std::process::{Command, Output};

use serde_json::Value;

#[cfg(feature = "sqlite")]
#[test]
fn two_processes_over_one_sqlite_file_violate_nothing() {
    nothing_is_violated("sqlite", None);
}

#[cfg(feature = "postgres")]
#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(idem_no_postgres, ignore = "needs Postgres")]
async fn two_processes_over_one_postgres_violate_nothing() {
    let server = idem_tests::postgres::TestDb::empty().await;
    nothing_is_violated("postgres", Some(("IDEM_TEST_POSTGRES_URL", server.url())));
}

#[cfg(feature = "mysql")]
#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(idem_no_mysql, ignore = "needs MariaDB or MySQL")]
async fn two_processes_over_one_mysql_violate_nothing() {
    let server = idem_tests::mysql::TestDb::empty().await;
    nothing_is_violated("mysql", Some(("IDEM_TEST_MYSQL_URL", server.url())));
}

/// What the load finds where there is something to be found.
#[cfg(feature = "sqlite")]
#[test]
fn a_service_without_protection_pays_keys_twice_and_the_command_fails() {
    let (output, figures) = run("sqlite", "bare", None);
    let violations = figures["loads"][0]["rows"][0]["violations"]
        .as_array()
        .unwrap();
    let twice = violations
        .iter()
        .filter(|one| one.as_str().unwrap().contains("it was paid "));
    // Each key that is sent twice at once, and each that is retried.
    assert!(twice.count() >= DUE / 10, "{violations:#?}");
    assert!(!output.status.success(), "{output:?}");
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.contains("VIOLATION: key "), "{printed}");
}

fn nothing_is_violated(database: &str, server: Option<(&str, String)>) {
    let (output, figures) = run(database, "idem", server);
    let load = &figures["loads"][0];
    let row = &load["rows"][0];
    assert_eq!(load["nodes"], 2);
    assert_eq!(row["violations"], Value::Array(Vec::new()));
    assert_eq!(row["unanswered"], 0, "{row:#}");
    // The others are retries.
    let keys = usize::try_from(row["keys"].as_u64().unwrap()).unwrap();
    assert!((DUE * 8 / 10..=DUE).contains(&keys), "{row:#}");
    for processor in [
        &row["cores"]["client"],
        &row["cores"]["nodes"][0],
        &row["cores"]["nodes"][1],
    ] {
        assert!(processor.as_f64() > Some(0.0), "{row:#}");
    }
    assert!(output.status.success(), "{output:?}");
}

/// Runs the command, and reads the figures that it writes.
fn run(database: &str, app: &str, server: Option<(&str, String)>) -> (Output, Value) {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("figures.json");
    let mut command = Command::new(env!("CARGO_BIN_EXE_idem-bench"));
    command.args(["--database", database, "--app", app, "--pool-size", "4"]);
    command.args(["--load", "2", "--rate", RATE, "--nodes", "2", "--json"]);
    let output = command.arg(&json).envs(server).output().unwrap();
    let figures = std::fs::read(&json).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    (output, serde_json::from_slice(&figures).unwrap())
}

/// So low that it does not disturb other tests.
const RATE: &str = "60";

/// How many requests are due, those of the warm-up included.
const DUE: usize = 180;
