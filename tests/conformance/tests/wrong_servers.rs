//! The suite finds what is wrong with servers that are wrong on purpose.

#![allow(clippy::panic, clippy::unwrap_used, unreachable_pub, reason = "tests")]

mod server;

use futures_util::future::join_all;
use idem_conformance::{Options, Report, Verdict, check};
use server::{Fault, serve};

/// Judges a server with this fault.
async fn report(fault: Option<Fault>, more: &[&str]) -> (Options, Report) {
    let url = format!("http://{}", serve(fault).await);
    let given = [
        "--payments",
        "--policy-path",
        "/policy",
        "--slow-body",
        SLOW,
        "--base-url",
        &url,
    ];
    let options = Options::from_args(given.into_iter().chain(more.iter().copied())).unwrap();
    let report = check(&options).await.unwrap();
    (options, report)
}

/// What is wrong, apart from what this small server does not promise.
async fn not_met(fault: Fault) -> Vec<&'static str> {
    let (options, report) = report(Some(fault), &[]).await;
    let is_tolerated = report.is_conformant(&options);
    assert!(!is_tolerated, "{fault:?} is tolerated");
    report.not_met()
}

#[tokio::test]
async fn a_server_without_a_fault_meets_every_requirement() {
    let (options, report) = report(None, &["--strict"]).await;
    assert_eq!(report.not_met(), [""; 0], "{}", report.to_text(&options));
    assert!(report.is_conformant(&options));
    assert_eq!(open(&report), [""; 0], "{}", report.to_text(&options));
}

#[tokio::test]
async fn a_server_that_ignores_keys_is_found_by_both_halves() {
    for (only, expected) in [
        (
            "draft",
            ["retry-gets-the-result", "reused-key-is-not-processed"],
        ),
        (
            "contract",
            ["retry-has-no-effect", "twenty-at-once-have-one-effect"],
        ),
    ] {
        let (options, report) = report(Some(Fault::IgnoresKeys), &["--only", only]).await;
        let found = report.not_met();
        assert!(expected.iter().all(|id| found.contains(id)), "{found:?}");
        assert!(!report.is_conformant(&options));
    }
}

#[tokio::test]
async fn each_fault_is_found_by_the_requirements_that_it_breaks() {
    let faults = [
        (
            Fault::StoresErrors,
            vec!["failure-frees-the-key", "refusal-frees-the-key"],
        ),
        (Fault::ReplaysAcrossTenants, vec!["tenants-are-apart"]),
        (
            Fault::ReplaysWithoutCredentials,
            vec!["unauthorised-get-no-replay"],
        ),
        (
            Fault::ReplaysReusedKeys,
            vec![
                "payloads-are-compared",
                "query-and-type-are-compared",
                "reuse-while-running-gets-422",
                "reused-key-gets-422",
                "reused-key-is-documented",
                "reused-key-is-not-processed",
                "reused-key-problem",
            ],
        ),
        (
            Fault::PublishesNothing,
            vec!["expiry-is-published", "specification-is-published"],
        ),
        (Fault::ReplaysCookies, vec!["replay-sets-no-cookie"]),
        (
            Fault::MarksNothing,
            vec!["replay-is-marked", "stored-refusal-is-replayed"],
        ),
        (Fault::TrustsMarks, vec!["mark-of-the-client-is-ignored"]),
        (
            Fault::CutsKeys,
            vec![
                "invalid-key-runs-nothing",
                "longest-key-is-accepted",
                "too-long-key-gets-400",
            ],
        ),
        (
            Fault::TakesAnyKey,
            vec![
                "bare-key-is-the-same",
                "invalid-key-gets-400",
                "invalid-key-runs-nothing",
                "parameters-are-ignored",
                "too-long-key-gets-400",
            ],
        ),
        (
            Fault::TakesTheFirstOfTwo,
            vec!["invalid-key-runs-nothing", "two-keys-get-400"],
        ),
        (Fault::EchoesKeys, vec!["problem-hides-the-key"]),
        (Fault::LosesHangUps, vec!["hang-up-has-one-effect"]),
        (Fault::ForgetsRetryAfter, vec!["running-request-problem"]),
    ];
    let judged = faults.iter().map(async |(fault, expected)| {
        let mut found = not_met(*fault).await;
        found.sort_unstable();
        (found != *expected).then(|| format!("{fault:?}: {found:?}"))
    });
    let wrong: Vec<_> = join_all(judged).await.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Longer than two requests on one machine take to meet.
const SLOW: &str = r#"{"amount":100,"reference":"{unique}","source":"tok_slow_500"}"#;

#[tokio::test]
async fn a_server_that_reads_bare_keys_only_is_judged_with_them() {
    let (_, report) = report(Some(Fault::RefusesStrings), &["--bare-keys"]).await;
    let mut found = report.not_met();
    found.sort_unstable();
    let expected = [
        "bare-key-is-the-same",
        "escapes-are-read",
        "longest-key-is-accepted",
        "parameters-are-ignored",
        "string-is-accepted",
    ];
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_report_shows_what_was_sent_and_seen_and_no_secret() {
    let (options, report) = report(Some(Fault::MarksNothing), &["--only", "contract"]).await;
    let text = report.to_text(&options);
    for part in [
        "replay-is-marked (README, Idem): NOT MET",
        "> POST /payments",
        "> authorization: ***",
        "< 201",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    let json = serde_json::to_string(&report).unwrap();
    for secret in ["acme-demo-key", "globex-demo-key"] {
        assert!(!text.contains(secret) && !json.contains(secret), "{secret}");
    }
    assert!(json.contains(r#""id":"replay-is-marked""#), "{json}");
}

#[tokio::test]
async fn what_cannot_be_tried_is_not_applicable_and_fails_nothing() {
    let url = format!("http://{}", serve(None).await);
    let authorization = "Authorization: Bearer acme-demo-key";
    let body = r#"{"amount":100,"reference":"{unique}"}"#;
    let given = [
        "--base-url",
        &url,
        "--path",
        "/payments",
        "--body",
        body,
        "--header",
        authorization,
    ];
    let options = Options::from_args(given).unwrap();
    let report = check(&options).await.unwrap();
    assert_eq!(report.not_met(), [""; 0], "{}", report.to_text(&options));
    for id in [
        "running-request-gets-409",
        "tenants-are-apart",
        "reused-key-gets-422",
    ] {
        let mut findings = report.findings.iter();
        let finding = findings
            .find(|finding| finding.requirement.id == id)
            .unwrap();
        assert!(
            matches!(finding.verdict, Verdict::NotApplicable(_)),
            "{finding:?}"
        );
    }
}

/// What the suite could not try.
fn open(report: &Report) -> Vec<&'static str> {
    let findings = report.findings.iter();
    let is_open = |verdict: &Verdict| matches!(verdict, Verdict::NotApplicable(_));
    let open = findings.filter(|finding| is_open(&finding.verdict));
    open.map(|finding| finding.requirement.id).collect()
}

#[tokio::test]
async fn what_was_never_seen_is_not_judged() {
    // Two requests at once both run, so that nobody sees a conflict or knows which request runs.
    let (_, report) = report(Some(Fault::IgnoresKeys), &[]).await;
    let expected = [
        "running-request-gets-409",
        "running-request-is-documented",
        "retry-after-is-valid",
        "hang-up-has-one-effect",
        "reuse-while-running-gets-422",
        "running-request-problem",
    ];
    assert_eq!(open(&report), expected);
    assert!(report.not_met().contains(&"running-request-conflicts"));
}

#[tokio::test]
async fn empty_answers_neither_prove_a_replay_nor_refute_it() {
    let (options, report) = report(Some(Fault::AnswersNothing), &[]).await;
    let open = open(&report);
    for id in [
        "retry-gets-the-error",
        "retry-gets-the-result",
        "replay-is-identical",
        "tenants-are-apart",
        "unauthorised-get-no-replay",
        "twenty-at-once-get-one-result",
    ] {
        assert!(open.contains(&id), "{id} is not in {open:?}");
    }
    assert_eq!(report.not_met(), [""; 0], "{}", report.to_text(&options));
}

#[tokio::test]
async fn no_message_shows_the_credentials_of_the_options() {
    let given = [
        "--payments",
        "--header",
        "Authorization: Bearer s3cret",
        "--base-url",
    ];
    let with = |url| Options::from_args(given.into_iter().chain([url])).unwrap();
    let shown = format!("{:?}", with("http://127.0.0.1:1"));
    assert!(!shown.contains("s3cret"), "{shown}");
    for url in [
        "http://user:s3cret@127.0.0.1:1",
        "http://user:s3cret@127.0.0.1:x",
    ] {
        let error = check(&with(url)).await.unwrap_err();
        assert!(
            !error.contains("s3cret") && error.contains("--base-url"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_an_error_and_no_report() {
    let given = ["--payments", "--base-url", "http://127.0.0.1:1"];
    let error = check(&Options::from_args(given).unwrap())
        .await
        .unwrap_err();
    assert!(error.contains("onnect"), "{error}");
}
