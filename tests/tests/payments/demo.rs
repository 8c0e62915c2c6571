//! The demo finds each payment made and booked once, and finds what is not.

use std::process::Output;
use std::time::Duration;

use idem_tests::process::demo;
use tokio::time::timeout;

use super::{FEATURE, TestDb};

#[tokio::test]
async fn what_is_retried_hung_up_and_killed_is_paid_and_booked_once() {
    let db = TestDb::empty().await;
    let options = ["--payments", "24", "--kills", "1"];
    let ended = run(&db, &[&options[..], &["--broker", "embedded"]].concat()).await;
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    let said = String::from_utf8(ended.stdout).unwrap();
    for line in [
        "paid twice: 0",
        "not paid: 0",
        "booked twice: 0",
        "not booked: 0",
        "answered wrongly: 0",
        "without a final answer: 0",
    ] {
        assert!(said.lines().any(|said| said == line), "{line}: {said}");
    }
    assert_eq!(count(&said, "kill -9 of API and worker "), 1, "{said}");
    assert_eq!(count(&said, "payments in the database "), 24, "{said}");
}

#[tokio::test]
async fn without_idempotency_the_demo_finds_what_is_paid_twice_and_fails() {
    let db = TestDb::empty().await;
    let ended = run(
        &db,
        &[
            "--payments",
            "6",
            "--kills",
            "0",
            "--rollout",
            "off",
            "--broker",
            "embedded",
        ],
    )
    .await;
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    let said = String::from_utf8(ended.stdout).unwrap();
    // These clients repeat what they know to be paid; one more may be paid twice after it has hung up.
    assert!(count(&said, "paid twice: ") >= 2, "{said}");
    assert!(count(&said, "payments in the database ") >= 8, "{said}");
    // The worker books each of them, and each once.
    assert_eq!(count(&said, "booked twice: "), 0, "{said}");
    assert_eq!(count(&said, "not booked: "), 0, "{said}");
}

async fn run(db: &TestDb, options: &[&str]) -> Output {
    let mut demo = demo(FEATURE, &db.url());
    let ended = timeout(Duration::from_secs(120), demo.args(options).output());
    ended.await.expect("the demo ends").unwrap()
}

/// The number in the line that begins so.
fn count(said: &str, beginning: &str) -> u32 {
    let mut numbers = said.lines().filter_map(|line| line.strip_prefix(beginning));
    numbers.next().unwrap().trim().parse().unwrap()
}
