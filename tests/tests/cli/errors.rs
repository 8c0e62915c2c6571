//! What is wrong is said in one line, with an exit code of its own.

use std::process::Stdio;

use super::service::{Service, operate_at, operate_unread};
use super::{NO_DATABASE, TestDb, WRONG_URL};

#[tokio::test]
async fn an_unreachable_database_fails_with_1_and_the_reason() {
    let (url, reason) = NO_DATABASE;
    for command in [&["check"][..], &["records", "list"], &["migrate"]] {
        let command = [&["--connect-timeout", "5s"][..], command].concat();
        let said = operate_at(url, &command).await.refused(1);
        assert!(
            said.starts_with("idem: the database cannot be used"),
            "{said}"
        );
        assert!(said.contains(reason) && !said.contains("secret"), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

#[tokio::test]
async fn a_wrong_url_is_wrong_usage_and_is_not_repeated() {
    for url in [WRONG_URL, "oracle://u:secret@host/x", "no url, secret", ""] {
        let said = operate_at(url, &["check"]).await.refused(2);
        assert!(
            said.starts_with("idem: ") && !said.contains("secret"),
            "{said}"
        );
    }
    let db = TestDb::empty().await;
    for command in [
        &["records"][..],
        &["record", "list"],
        &["records", "list", "--tenant", "x"],
    ] {
        operate_at(&db.url(), command).await.refused(2);
    }
}

#[tokio::test]
async fn a_database_without_tables_says_what_creates_them() {
    let db = TestDb::empty().await;
    // The file of SQLite must be there; the tables are not.
    drop(db.pool_of(1).await);
    let by = ["--yes", "--by", "jane"];
    let invalidate = [
        "records",
        "invalidate",
        "--scope",
        "a",
        "--operation",
        "b",
        "--key",
        "c",
    ];
    for command in [
        &["records", "list"][..],
        &["records", "count"],
        &["records", "show", "--key", "k"],
        &["dead-letters", "list"],
        &["rollout", "show"],
        &[&invalidate[..], &by].concat(),
        &[&["records", "erase", "--scope", "a"][..], &by].concat(),
        &[&["dead-letters", "redrive", "ledger", "--all"][..], &by].concat(),
        &[&["rollout", "set", "a", "off"][..], &by[1..]].concat(),
    ] {
        let said = operate_at(&db.url(), command).await.refused(1);
        assert!(
            said.contains("is missing") && said.contains("`migrate`"),
            "{command:?}: {said}"
        );
    }
    // Nor has one of them made what the next one needs.
    assert_eq!(operate_at(&db.url(), &["check"]).await.code, 3);
}

#[tokio::test]
async fn the_help_says_what_the_exit_codes_mean_and_hides_the_url() {
    let db = TestDb::empty().await;
    let mut help = idem_tests::process::idem(super::FEATURE, &db.url());
    help.env("DATABASE_URL", "postgres://u:secret@host/x")
        .arg("--help");
    let help = help.output().await.unwrap();
    let said = String::from_utf8(help.stdout).unwrap();
    assert!(
        help.status.success() && said.contains("Exit codes:"),
        "{said}"
    );
    assert!(
        said.contains("DATABASE_URL") && !said.contains("secret"),
        "{said}"
    );
}

#[tokio::test]
async fn the_audit_is_written_although_the_log_is_off() {
    let service = Service::start().await;
    service.store("acme", "POST /payments", "k", b"").await;
    let mut erase = idem_tests::process::idem(super::FEATURE, &service.db.url());
    erase.args([
        "records", "erase", "--scope", "acme", "--yes", "--by", "jane",
    ]);
    let done = erase.env("RUST_LOG", "off").output().await.unwrap();
    let said = String::from_utf8(done.stderr).unwrap();
    assert!(
        done.status.success() && said.contains("idem::audit"),
        "{said}"
    );
}

#[tokio::test]
async fn a_change_of_which_nobody_reads_is_a_failure_that_says_what_has_changed() {
    let db = TestDb::empty().await;
    // The file of SQLite must be there; the tables are not.
    drop(db.pool_of(1).await);
    for (command, said) in [("check", "not ready"), ("migrate", "nothing was changed")] {
        for form in [&[command][..], &[command, "--json"]] {
            let unread = operate_unread(&db.url(), form).await;
            // As JSON, the migration is the first thing that is said.
            let said = match form {
                ["migrate", _] => "applied",
                _ => said,
            };
            assert!(unread.code == 1 && unread.err.contains(said), "{unread:?}");
        }
    }
    let service = Service::start().await;
    service.store("acme", "POST /payments", "k", b"").await;
    service.store("acme", "POST /payments", "other", b"").await;
    let consent = ["--yes", "--by", "jane"];
    let named = [
        "--scope",
        "acme",
        "--operation",
        "POST /payments",
        "--key",
        "k",
    ];
    for (command, changed) in [
        (
            [&["records", "invalidate"][..], &named, &consent].concat(),
            "the key runs again",
        ),
        (
            [&["records", "erase"][..], &named[..2], &consent].concat(),
            "1 record erased",
        ),
        (
            [&["rollout", "set", "*", "off"][..], &consent[1..]].concat(),
            "the rule was published",
        ),
        (
            [&["rollout", "withdraw", "*"][..], &consent[1..]].concat(),
            "the rule was withdrawn",
        ),
    ] {
        let unread = operate_unread(&service.db.url(), &command).await;
        let text = format!("idem: {changed}, but the output cannot be written");
        assert!(unread.code == 1 && unread.err.contains(&text), "{unread:?}");
    }
}

#[tokio::test]
async fn a_command_whose_errors_nobody_reads_ends_with_its_own_code() {
    let service = Service::start().await;
    service.store("acme", "POST /payments", "k", b"").await;
    for (command, code) in [
        (&["records", "show", "--key", "none"][..], 3),
        (&["records", "erase", "--scope", "acme", "--by", "jane"], 3),
        (
            &[
                "records", "erase", "--scope", "acme", "--by", "jane", "--yes",
            ],
            0,
        ),
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut unread = idem_tests::process::idem(super::FEATURE, &service.db.url());
        let ended = unread.args(command).stderr(writer).output().await.unwrap();
        assert_eq!(ended.status.code(), Some(code), "{command:?} {ended:?}");
    }
}

#[tokio::test]
async fn a_time_without_an_end_does_not_break_the_program() {
    let service = Service::start().await;
    let wait = ["--connect-timeout", "500000000000y", "records", "list"];
    let said = service.operate(&wait).await.refused(2);
    assert!(said.contains("longer than an hour"), "{said}");
    service.park("ledger", "m", "no account").await;
    let discard = [
        "dead-letters",
        "discard",
        "ledger",
        "m",
        "--yes",
        "--by",
        "jane",
    ];
    let forever = [&discard[..], &["--retention", "500000000000y"]].concat();
    let said = service.operate(&forever).await;
    assert!(matches!(said.code, 0..=2), "{said:?}");
}

/// As `head` closes it, which has read enough.
#[tokio::test]
async fn an_output_that_nobody_reads_to_its_end_is_no_failure() {
    let service = Service::start().await;
    service.store("acme", "POST /payments", "k", b"").await;
    for form in ["--json", "--limit=5"] {
        let mut list = idem_tests::process::idem(super::FEATURE, &service.db.url());
        list.args(["records", "list", form]).stderr(Stdio::piped());
        let mut running = list.stdout(Stdio::piped()).spawn().unwrap();
        drop(running.stdout.take());
        let done = running.wait_with_output().await.unwrap();
        assert_eq!(done.status.code(), Some(0), "{done:?}");
        assert_eq!(String::from_utf8(done.stderr).unwrap(), "");
    }
}
