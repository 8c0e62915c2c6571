//! What an operator does with records on the command line.

use idem_tests::process::payments;
use serde_json::json;

use super::FEATURE;
use super::app::{App, payment};

impl App {
    /// What `payments idem …` prints, and whether it succeeds.
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

    let named = [
        "--tenant",
        "acme",
        "--operation",
        "POST /payments",
        "--key",
        "operated",
    ];
    let invalidate = [&["invalidate", "--by", "a test"][..], &named].concat();
    let (is_done, said) = app.operate(&invalidate[..5]).await;
    assert!(
        !is_done && said.contains("say --tenant, --operation and --key"),
        "{said}"
    );
    let (is_done, said) = app.operate(&invalidate).await;
    assert!(
        is_done && said.contains("Gone") && said.contains("a test"),
        "{said}"
    );
    assert!(!app.send(&pay).await.is_replay());
    assert!(app.send(&pay).await.is_replay());
    let (_, erased) = app.operate(&["erase", "--tenant", "acme"]).await;
    assert!(erased.contains("1 records"), "{erased}");
    assert!(!app.send(&pay).await.is_replay());
}
