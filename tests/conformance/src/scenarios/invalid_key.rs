//! Keys that cannot be read.

use http::StatusCode;

use super::Scenario;
use crate::operation::Case;
use crate::problem;
use crate::requirement::Requirement;
use crate::trial::Trial;
use crate::verdict::{Stop, Verdict};

pub(crate) const SCENARIO: Scenario = Scenario {
    requirements: &[
        &INVALID_KEY_GETS_400,
        &TWO_KEYS_GET_400,
        &TOO_LONG_KEY_GETS_400,
        &INVALID_KEY_RUNS_NOTHING,
        &PROBLEM_HIDES_THE_KEY,
    ],
    run: |trial| Box::pin(run(trial)),
};

const INVALID_KEY_GETS_400: Requirement = Requirement::idem(
    "PROBLEMS",
    "invalid-key-gets-400",
    "An empty or malformed key, and a list of keys, get 400.",
);
const TWO_KEYS_GET_400: Requirement = Requirement::idem(
    "PROBLEMS",
    "two-keys-get-400",
    "Two lines of the key's header get 400 (the draft, 2.1, forbids clients to send them).",
);
const TOO_LONG_KEY_GETS_400: Requirement = Requirement::idem(
    "PROBLEMS",
    "too-long-key-gets-400",
    "A key of 256 characters gets 400, and is not cut off.",
);
const INVALID_KEY_RUNS_NOTHING: Requirement = Requirement::idem(
    "PROBLEMS",
    "invalid-key-runs-nothing",
    "A request whose key cannot be read has no effect.",
);
const PROBLEM_HIDES_THE_KEY: Requirement = Requirement::idem(
    "PROBLEMS",
    "problem-hides-the-key",
    "No problem's text contains the key.",
);

async fn run(trial: &Trial) -> Result<(), Stop> {
    let case = Case::new();
    let key = &case.key;
    let long = case.key_of_length(256);
    let malformed = [
        String::new(),
        "\"\"".to_owned(),
        format!("\"{key}"),
        format!("{key}\""),
        format!("\"{key}\" x"),
        format!("\"{key}\\n\""),
        format!("\"{key}\", \"second\""),
        format!("{key},second"),
        format!("{key} second"),
    ];
    let mut hides_key = Verdict::Met;
    let mut check = async |lines: &[&str]| {
        let request = trial.operation.with_lines(&case, lines)?;
        let answer = trial.send(&request).await?;
        let shows = String::from_utf8_lossy(&answer.body).contains(&**key);
        let hides = Verdict::of(!shows, || format!("{} contains the key", answer.status));
        hides_key = hides_key.clone().and(hides);
        Ok::<_, Stop>(
            Verdict::of(answer.status == StatusCode::BAD_REQUEST, || {
                format!("{} for {lines:?}", answer.status)
            })
            .and(problem::document(&answer).map_or_else(Verdict::NotMet, |_| Verdict::Met)),
        )
    };
    let mut verdict = Verdict::Met;
    for line in &malformed {
        verdict = verdict.and(check(&[line]).await?);
    }
    trial.judge(&INVALID_KEY_GETS_400, verdict);
    trial.judge(&TWO_KEYS_GET_400, check(&[key, key]).await?);
    trial.judge(
        &TOO_LONG_KEY_GETS_400,
        check(&[&format!("\"{long}\"")]).await?,
    );
    trial.judge(&PROBLEM_HIDES_THE_KEY, hides_key);
    trial.judge(
        &INVALID_KEY_RUNS_NOTHING,
        trial.has_effects(&case, 0).await?,
    );
    Ok(())
}
