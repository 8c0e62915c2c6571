//! The operator's commands for records.

use idem_tests::process::payments;
use serde_json::json;

use super::app::{App, payment};
use super::{FEATURE, TestDb};

impl App {
    /// Runs `payments idem …`: whether it succeeds, and its output.
    async fn operate(&self, arguments: &[&str]) -> (bool, String) {
        let mut command = payments(FEATURE);
        command
            .args(["--database-url", &self.url(), "idem"])
            .args(arguments);
        let done = command.output().await.unwrap();
        let said = [done.stdout, done.stderr].concat();
        (done.status.success(), String::from_utf8(said).unwrap())
    }
}

#[tokio::test]
async fn an_operator_lists_counts_and_invalidates_records() {
    let app = App::start().await;
    let pay = payment(&json!({})).key("operated");
    let paid = app.send(&pay).await;
    assert_eq!(paid.status, 201);
    let (_, listed) = app.operate(&["list", "--tenant", "acme"]).await;
    assert!(listed.contains("acme \"POST /payments\" "), "{listed}");
    assert!(listed.contains(" completed 201 "), "{listed}");
    // The answer and the key are their client's.
    assert!(
        !listed.contains("operated") && !listed.contains("EUR"),
        "{listed}"
    );
    let (_, others) = app.operate(&["list", "--tenant", "globex"]).await;
    assert!(!others.contains("POST"), "{others}");
    let (_, counted) = app.operate(&["count"]).await;
    assert!(
        counted.contains("\"POST /payments\" completed within 1h 1"),
        "{counted}"
    );

    let (is_done, said) = app.operate(&["invalidate", "--by", "a test"]).await;
    assert!(!is_done && said.contains("--tenant"), "{said}");
    let named = [
        "invalidate",
        "--by",
        "a test",
        "--tenant",
        "acme",
        "--operation",
        "POST /payments",
    ];
    // By the key, or by what the log and the list have of it.
    let digest = listed.split(' ').nth(3).unwrap().to_owned();
    for key in [["--key", "operated"], ["--digest", &digest]] {
        let invalidate = [&named[..], &key].concat();
        let (is_done, said) = app.operate(&invalidate).await;
        assert!(
            is_done && said.contains("it is gone") && said.contains("by=\"a test\""),
            "{said}"
        );
        let (is_done, said) = app.operate(&invalidate).await;
        assert!(!is_done && said.contains("no such record"), "{said}");
        assert!(!app.send(&pay).await.is_replay());
        assert!(app.send(&pay).await.is_replay());
    }
    let (_, of_digest) = app.operate(&["list", "--digest", &digest]).await;
    assert_eq!(of_digest.lines().count(), 1, "{of_digest}");
    let (_, broken) = app.operate(&["list", "--state", "broken"]).await;
    assert_eq!(broken, "");

    let erase = ["erase", "--tenant", "acme", "--by", "a test"];
    let (_, erased) = app.operate(&erase).await;
    assert!(erased.contains("1 records"), "{erased}");
    assert!(erased.contains("idem::audit"), "{erased}");
    assert!(!app.send(&pay).await.is_replay());
}

#[tokio::test]
async fn an_operator_command_does_not_create_the_schema() {
    let db = TestDb::empty().await;
    let mut list = payments(FEATURE);
    list.args(["--database-url", &db.url(), "idem", "list"]);
    let done = list.output().await.unwrap();
    let said = String::from_utf8(done.stderr).unwrap();
    let says_why = said.contains("idem_record is missing")
        || said.contains("idem.record is missing")
        || said.contains("unable to open database file");
    assert!(!done.status.success() && says_why, "{said}");
    // Nor has the first one made what the second one needs.
    let again = list.output().await.unwrap();
    assert!(!again.status.success());
}
