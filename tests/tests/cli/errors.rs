//! What is wrong is said in one line, with an exit code of its own.

use std::process::Stdio;

use super::service::{Service, operate_at};
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
