//! The app's start, and its failures to start.

use std::time::Duration;

use idem_tests::http::get;
use idem_tests::process::payments;
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::app::App;
use super::{FEATURE, NO_DATABASE, TestDb};

#[tokio::test]
async fn the_app_is_healthy_when_the_database_answers() {
    let app = App::start().await;
    assert_eq!(app.send(&get("/healthz")).await.status, 200);
}

#[tokio::test]
async fn the_app_exits_with_one_line_when_the_database_is_unusable() {
    let line = last_words(NO_DATABASE, "127.0.0.1:0").await;
    assert!(
        line.starts_with("payments: the database cannot be used: "),
        "{line}"
    );
}

#[tokio::test]
async fn the_app_exits_with_one_line_when_its_address_is_in_use() {
    let db = TestDb::empty().await;
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let line = last_words(&db.url(), &address).await;
    let expected = format!("payments: cannot listen on {address}: ");
    assert!(line.starts_with(&expected), "{line}");
}

/// The standard error of an app that cannot start; it fails long before a pool would give up.
pub async fn last_words(database_url: &str, listen: &str) -> String {
    let mut command = payments(FEATURE);
    command.args(["--listen", listen, "--database-url", database_url]);
    // What it logs is another matter.
    let output = command.env("RUST_LOG", "off").output();
    let output = timeout(Duration::from_secs(20), output)
        .await
        .unwrap()
        .unwrap();
    assert!(!output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    text
}
