//! Idem's own commands, as the app has them.

use idem_tests::process::payments;
use serde_json::{Value, json};

use super::app::{App, payment};
use super::{FEATURE, TestDb};

impl App {
    /// Runs `payments idem …`: its exit code, and its output.
    async fn operate(&self, arguments: &[&str]) -> (i32, String) {
        let mut command = payments(FEATURE);
        command
            .args(["--database-url", &self.url(), "idem"])
            .args(arguments);
        let done = command.output().await.unwrap();
        let said = [done.stdout, done.stderr].concat();
        (
            done.status.code().unwrap(),
            String::from_utf8(said).unwrap(),
        )
    }
}

#[tokio::test]
async fn an_operator_lists_counts_and_invalidates_records() {
    let app = App::start().await;
    let pay = payment(&json!({})).key("operated");
    let paid = app.send(&pay).await;
    assert_eq!(paid.status, 201);
    let list = ["records", "list", "--scope", "acme"];
    let (_, listed) = app.operate(&list).await;
    assert!(listed.contains("acme   POST /payments"), "{listed}");
    assert!(listed.contains("completed  201"), "{listed}");
    // The answer and the key are their client's.
    assert!(
        !listed.contains("operated") && !listed.contains("EUR"),
        "{listed}"
    );
    let (_, others) = app.operate(&["records", "list", "--scope", "globex"]).await;
    assert!(!others.contains("POST"), "{others}");
    let (_, counted) = app.operate(&["records", "count"]).await;
    assert!(counted.contains("completed  within 1h  1\n"), "{counted}");

    let (_, entry) = app.operate(&[&list[..], &["--json"]].concat()).await;
    let entry: Value = serde_json::from_str(&entry).unwrap();
    let named = ["records", "invalidate", "--scope", "acme"];
    let named = [&named[..], &["--operation", "POST /payments"]].concat();
    // By the key, or by what the log and the list have of it.
    let digest = entry["digest"].as_str().unwrap();
    for key in [["--key", "operated"], ["--digest", digest]] {
        let consent = ["--by", "a test", "--yes"];
        let invalidate = [&named[..], &key, &consent].concat();
        let (code, said) = app.operate(&invalidate).await;
        let is_gone = said.contains("it is gone") && said.contains("by=\"a test\"");
        assert!(code == 0 && is_gone, "{said}");
        let (code, said) = app.operate(&invalidate).await;
        assert!(code == 3 && said.contains("no such record"), "{said}");
        assert!(!app.send(&pay).await.is_replay());
        assert!(app.send(&pay).await.is_replay());
    }

    let erase = [
        "records", "erase", "--scope", "acme", "--by", "a test", "--yes",
    ];
    let (_, erased) = app.operate(&erase).await;
    assert!(erased.contains("1 record erased"), "{erased}");
    assert!(erased.contains("idem::audit"), "{erased}");
    assert!(!app.send(&pay).await.is_replay());
}

#[tokio::test]
async fn an_operator_command_does_not_create_the_schema() {
    let db = TestDb::empty().await;
    let mut list = payments(FEATURE);
    list.args(["--database-url", &db.url(), "idem", "records", "list"]);
    let done = list.output().await.unwrap();
    let said = String::from_utf8(done.stderr).unwrap();
    let says_why = said.contains("idem_record is missing")
        || said.contains("idem.record is missing")
        || said.contains("unable to open database file");
    assert!(done.status.code() == Some(1) && says_why, "{said}");
    // Nor has the first one made what the second one needs.
    let again = list.output().await.unwrap();
    assert!(!again.status.success());
}
