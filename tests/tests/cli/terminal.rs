//! On a terminal the command asks, and does nothing without a yes.

use std::fs::File;
use std::io::{Read, Write};
use std::process::Stdio;

use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use super::FEATURE;
use super::service::Service;

const PAY: &str = "POST /payments";

/// Runs the command on a terminal, types an answer to its question, and returns its exit code and
/// what the terminal showed.
async fn answer(service: &Service, arguments: &[&str], answer: &str) -> (i32, String) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let slave = open(&name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
    let mut command = idem_tests::process::idem(FEATURE, &service.db.url());
    command.args(arguments).stdout(Stdio::null());
    command.stdin(Stdio::from(slave.try_clone().unwrap()));
    command.stderr(Stdio::from(slave));
    let mut child = command.spawn().unwrap();
    // With its handles the terminal ends when the command does.
    drop(command);
    let answer = answer.to_owned();
    let shown = tokio::task::spawn_blocking(move || converse(File::from(master), &answer));
    let shown = shown.await.unwrap();
    let code = child.wait().await.unwrap().code().unwrap();
    (code, shown)
}

/// Answers the question when it is there, and reads to the end.
fn converse(mut terminal: File, answer: &str) -> String {
    let (mut shown, mut is_answered) = (String::new(), false);
    let mut part = [0; 1024];
    // The other side has ended: Linux says so by an error.
    while let Ok(length @ 1..) = terminal.read(&mut part) {
        shown.push_str(&String::from_utf8_lossy(&part[..length]));
        if !is_answered && shown.contains("[y/N] ") {
            is_answered = true;
            terminal.write_all(answer.as_bytes()).unwrap();
        }
    }
    shown
}

#[tokio::test]
async fn nothing_is_deleted_before_the_operator_says_yes() {
    let service = Service::start().await;
    service.store("acme", PAY, "k", b"").await;
    let named = [
        "--scope",
        "acme",
        "--operation",
        PAY,
        "--key",
        "k",
        "--by",
        "jane",
    ];
    let invalidate = [&["records", "invalidate"][..], &named].concat();
    for no in ["\n", "n\n", "no\n", "yess\n"] {
        let (code, shown) = answer(&service, &invalidate, no).await;
        let question = "this deletes 1 record, ";
        assert!(shown.contains(question), "{shown}");
        assert!(
            shown.contains("in the scope acme (completed, status 201)"),
            "{shown}"
        );
        assert!(shown.contains("nothing was changed"), "{shown}");
        assert_eq!(code, 3, "{shown}");
        assert!(!service.would_run("acme", PAY, "k").await);
    }
    let (code, shown) = answer(&service, &invalidate, "y\n").await;
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains("idem::audit"), "{shown}");
    assert!(service.would_run("acme", PAY, "k").await);
}

#[tokio::test]
async fn the_question_of_an_erasure_counts_what_it_would_delete() {
    let service = Service::start().await;
    for key in ["a", "b", "c"] {
        service.store("acme", PAY, key, b"").await;
    }
    let erase = ["records", "erase", "--scope", "acme", "--by", "jane"];
    let (code, shown) = answer(&service, &erase, "n\n").await;
    assert!(
        shown.contains("this deletes 3 records and 0 failed messages"),
        "{shown}"
    );
    assert_eq!(code, 3, "{shown}");
    let (code, shown) = answer(&service, &erase, "YES\n").await;
    assert_eq!(code, 0, "{shown}");
    assert!(service.would_run("acme", PAY, "b").await);
}
