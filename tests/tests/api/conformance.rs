//! What the black-box suite of `tests/conformance` finds out about the app.

use idem_conformance::{Options, Verdict, check};

use super::app::App;

#[tokio::test]
async fn the_app_meets_every_requirement_of_the_draft_and_of_the_contract() {
    let app = App::start().await;
    let url = format!("http://{}", app.address());
    let options = Options::from_args(["--payments", "--strict", "--base-url", &url]).unwrap();
    let report = check(&options).await.unwrap();
    assert_eq!(report.not_met(), [""; 0], "{}", report.to_text(&options));
    let is_open = |verdict: &Verdict| matches!(verdict, Verdict::NotApplicable(_));
    let open = report
        .findings
        .iter()
        .filter(|finding| is_open(&finding.verdict));
    let open: Vec<_> = open.map(|finding| finding.requirement.id).collect();
    assert_eq!(open, [""; 0], "the suite could not try them");
}
